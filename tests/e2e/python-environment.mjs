// Virtual environments of Python beside the tests, one for each file of pinned requirements. `python3` needs its module `venv`
// (Debian: python3-venv).

import { execFile } from 'node:child_process';
import { copyFile, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const FOLDER = fileURLToPath(new URL('python/', import.meta.url));
const run = promisify(execFile);

export class PythonEnvironment {
  #folder;
  #requirements;

  /** The environment with the requirements in `python/NAME-requirements.txt`. */
  constructor(name) {
    this.#folder = path.join(FOLDER, '.venv', name);
    this.#requirements = path.join(FOLDER, `${name}-requirements.txt`);
  }

  /** Returns the absolute path of a program of the environment. */
  program(name) {
    return path.join(this.#folder, 'bin', name);
  }

  /** Installs the requirements, unless the environment is up to date. */
  async install() {
    // A copy of the requirements that the environment was made for.
    const installed = path.join(this.#folder, 'requirements.txt');
    const [required, present] = await Promise.all([this.#requirements, installed].map((file) => readFile(file, 'utf8').catch(() => undefined)));
    if (required === present) return;
    await run('python3', ['-m', 'venv', '--clear', this.#folder]);
    await run(this.program('python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', this.#requirements]);
    await copyFile(this.#requirements, installed);
  }
}

/** Returns the absolute path of a file in `python/`. */
export function pythonFile(name) {
  return path.join(FOLDER, name);
}
