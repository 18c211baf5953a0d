// The fields of a source's form, and what they become in a request.
import type { CreateSource, Source, UpdateSource } from 'vaultcast-client';

/** The texts in the controls. */
export interface SourceFields {
  title: string;
  fileUrl: string;
  fileKey: string;
  fileSize: string;
  mimeType: string;
}

export const NO_FIELDS: SourceFields = { title: '', fileUrl: '', fileKey: '', fileSize: '', mimeType: '' };

/** Returns the fields of an example whose title contains the time, so that several of them differ. */
export function exampleFields(now: Date): SourceFields {
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
  return { ...NO_FIELDS, title: `Minutes of ${time}`, fileUrl: 'https://files.example.com/minutes.pdf' };
}

/** Returns the fields that show a source. */
export function fieldsOf(source: Source): SourceFields {
  const { title, fileUrl, fileKey = '', fileSize, mimeType } = source;
  return { title, fileUrl, fileKey, fileSize: fileSize === undefined ? '' : String(fileSize), mimeType };
}

/** Returns the request that creates a source. Bounds are checked by the service, which names the field. */
export function createRequest({ title, fileUrl, fileKey, fileSize, mimeType }: SourceFields): CreateSource {
  const size = parseSize(fileSize);
  return {
    title,
    fileUrl: fileUrl.trim(),
    ...(fileKey.trim() && { fileKey: fileKey.trim() }),
    ...(size !== null && { fileSize: size }),
    ...(mimeType.trim() && { mimeType: mimeType.trim() }),
  };
}

/** Returns the fields that differ from the source; undefined if none does. */
export function updateRequest(source: Source, fields: SourceFields): UpdateSource | undefined {
  const before = fieldsOf(source);
  const changed = (Object.keys(fields) as (keyof SourceFields)[]).filter((name) => fields[name].trim() !== before[name]);
  if (changed.length === 0) return undefined;
  const values: Record<keyof SourceFields, unknown> = {
    title: fields.title,
    fileUrl: fields.fileUrl.trim(),
    fileKey: fields.fileKey.trim() || null,
    fileSize: parseSize(fields.fileSize),
    mimeType: fields.mimeType.trim() || null,
  };
  return Object.fromEntries(changed.map((name) => [name, values[name]])) as UpdateSource;
}

/** Returns the number; null for an empty text, and -1, which the service refuses by name, for one that is not a whole number. */
function parseSize(text: string): number | null {
  const trimmed = text.trim();
  if (!trimmed) return null;
  return /^\d+$/.test(trimmed) ? Number(trimmed) : -1;
}

/** Returns the address if a link may lead there: http or https. */
export function safeHref(url: string): string | undefined {
  try {
    return ['http:', 'https:'].includes(new URL(url).protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}

const UNITS = ['kB', 'MB', 'GB', 'TB', 'PB', 'EB'];

/** Returns a size for readers, such as `1.2 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

const TYPE_NAMES: Record<string, string> = {
  'application/pdf': 'PDF',
  'application/msword': 'Word',
  'application/vnd.ms-excel': 'Excel',
  'application/vnd.ms-powerpoint': 'PowerPoint',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'PowerPoint',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'Excel',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'Word',
  'application/zip': 'ZIP',
  'text/plain': 'Text',
  'text/html': 'HTML',
  'text/markdown': 'Markdown',
};

/** Returns a short name of a media type. */
export function typeName(mimeType: string): string {
  const type = mimeType.split(';')[0]!.trim().toLowerCase();
  const [family, format = ''] = type.split('/');
  return TYPE_NAMES[type] ?? (family === 'application' ? format : family === 'text' ? type : format.toUpperCase());
}
