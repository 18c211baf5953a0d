// The last stage of a Dockerfile, carried out without a builder: its instructions are read and applied to a root that holds what
// its base image consists of. It runs as Docker runs it with `--read-only`, `--cap-drop ALL` and a named volume.

import assert from 'node:assert/strict';
import { cpSync, lchownSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { SealedRoot } from './sealed-root.mjs';

/** Reads a Dockerfile: its stages, each with its base and its instructions, of which continued lines are joined. */
function parseDockerfile(text) {
  const lines = text.replace(/^\s*#.*\n/gm, '').replace(/\\\n\s*/g, ' ').split('\n').filter((line) => line.trim() !== '');
  const stages = [];
  for (const line of lines) {
    const [, name, args] = line.match(/^([A-Z]+)\s+(.*)$/);
    if (name === 'FROM') stages.push({ base: args.split(' ')[0], instructions: [] });
    else stages.at(-1).instructions.push({ name, args });
  }
  return stages;
}

/** Sets the owner of a file or directory and of all that it contains. */
function changeOwner(file, [user, group]) {
  lchownSync(file, user, group);
  if (lstatSync(file).isDirectory()) readdirSync(file).forEach((name) => changeOwner(path.join(file, name), [user, group]));
}

export class Image {
  /** The image that the last stage is based on. */
  base;
  /** `{ source, target, from, owner }` of each COPY. */
  copies = [];
  env = {};
  volumes = [];
  ports = [];

  /** Reads the last stage. An instruction that this class does not know, `RUN` for example, is an error. */
  static read(dockerfile) {
    const image = new Image();
    const last = parseDockerfile(readFileSync(dockerfile, 'utf8')).at(-1);
    image.base = last.base;
    for (const { name, args } of last.instructions) image.#apply(name, args);
    return image;
  }

  #apply(name, args) {
    switch (name) {
      case 'LABEL':
        break;
      case 'COPY': {
        const words = args.split(' ');
        const option = (key) => words.find((word) => word.startsWith(`--${key}=`))?.split('=')[1];
        const [source, target] = words.filter((word) => !word.startsWith('--'));
        this.copies.push({ source, target, from: option('from'), owner: (option('chown') ?? '0:0').split(':').map(Number) });
        break;
      }
      case 'ENV': {
        const [key, value] = args.split('=');
        this.env[key] = value;
        break;
      }
      case 'VOLUME':
        this.volumes.push(args);
        break;
      case 'WORKDIR':
        this.directory = args;
        break;
      case 'USER':
        [this.user, this.group] = args.split(':').map(Number);
        break;
      case 'EXPOSE':
        this.ports.push(Number(args));
        break;
      case 'ENTRYPOINT':
        this.entrypoint = JSON.parse(args);
        break;
      case 'HEALTHCHECK':
        this.healthCheck = JSON.parse(args.slice(args.indexOf('CMD') + 'CMD'.length));
        break;
      default:
        assert.fail(`the last stage has an instruction that the test does not know: ${name} ${args}`);
    }
  }

  /** Makes the root of a container: copies from the context and from the stage `build`, and mounts `volumes` over a read-only root. */
  async createRoot({ baseTarball, context, build, volume }) {
    const root = await SealedRoot.create(baseTarball);
    for (const { source, target, from, owner } of this.copies) {
      assert.ok(from === undefined || from === 'build', from);
      const copied = root.path(target);
      mkdirSync(path.dirname(copied), { recursive: true });
      cpSync(path.join(from === 'build' ? build : context, source), copied, { recursive: true, preserveTimestamps: true });
      changeOwner(copied, owner);
    }
    for (const mounted of this.volumes) {
      // As Docker fills a new volume: with the directory of the image, its owner and its mode.
      if (readdirSync(volume).length === 0) {
        const { uid, gid } = lstatSync(root.path(mounted));
        cpSync(root.path(mounted), volume, { recursive: true });
        lchownSync(volume, uid, gid);
      }
      await root.mount('--bind', volume, root.path(mounted));
    }
    await root.mount('-o', 'remount,bind,ro', root.directory);
    return root;
  }
}
