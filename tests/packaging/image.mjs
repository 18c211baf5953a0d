// The container image, built by buildah from the Dockerfile and run without a container engine: in a root of its own, as Docker runs
// it with `--read-only`, `--cap-drop ALL` and a named volume. No registry is needed. The first stage is replaced by the binary that
// `deploy/package` laid out, and the base image is made of the Debian packages that it consists of.

import { execFileSync } from 'node:child_process';
import { cpSync, lchownSync, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { SealedRoot } from './sealed-root.mjs';

const DOCKERFILE = 'deploy/container/Dockerfile';
const TAG = 'localhost/vaultcast';

export class Image {
  #storage = path.join(process.env.PACKAGING_DIR, 'root-images');
  #tarball = path.join(process.env.PACKAGING_DIR, 'root-image.tar');
  /** The configuration, with the names of Docker: `User`, `Env`, `Entrypoint`, … */
  config;
  /** The image that the last stage is based on. */
  base;

  /** Builds the image. */
  static build() {
    const image = new Image();
    image.base = readFileSync(DOCKERFILE, 'utf8').match(/^FROM (\S+)$/m)[1];
    const base = image.#buildah('from', 'scratch');
    image.#buildah('add', base, process.env.IMAGE_BASE, '/');
    image.#buildah('commit', base, image.base);

    // Only the format of Docker has health checks.
    const context = path.join(process.env.PACKAGES_DIR, 'image');
    image.#buildah('build', '--pull=never', '--format=docker', `--build-context=build=${context}`, `--file=${DOCKERFILE}`, `--tag=${TAG}`, '.');
    image.config = JSON.parse(image.#buildah('inspect', '--type=image', TAG)).Docker.config;
    const container = image.#buildah('from', '--pull=never', TAG);
    const files = image.#buildah('mount', container);
    execFileSync('tar', ['--create', '--numeric-owner', '--file', image.#tarball, '--directory', files, '.']);
    return image;
  }

  /** Runs buildah with a storage of its own and returns its output. */
  #buildah(command, ...args) {
    const storage = [`--root=${this.#storage}/root`, `--runroot=${this.#storage}/run`, '--storage-driver=vfs'];
    const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
    return execFileSync('buildah', [...storage, command, ...args], { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  }

  /** The numeric user and group. */
  get user() {
    const [user, group] = this.config.User.split(':').map(Number);
    return { user, group };
  }

  /** The command of the health check. */
  get healthCheck() {
    const [kind, ...command] = this.config.Healthcheck.Test;
    if (kind !== 'CMD') throw new Error(`the health check needs a shell: ${kind}`);
    return command;
  }

  /** Creates a container: a new root, read-only, with the directory `volume` mounted at the volume of the image. */
  async createContainer(volume) {
    const root = await SealedRoot.create(this.#tarball);
    for (const mounted of Object.keys(this.config.Volumes)) {
      // As Docker makes a new volume: with the content and the owner of the directory of the image.
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

  /** Starts a command in a container, with the user, directory and environment of the image and the variables of `docker run --env`. */
  start(container, command, variables) {
    const env = Object.fromEntries(this.config.Env.map((variable) => variable.split(/=(.*)/s).slice(0, 2)));
    return container.spawn(command, { ...this.user, directory: this.config.WorkingDir, env: { ...env, ...variables } });
  }

  /** Deletes the image and the storage of buildah. */
  delete() {
    rmSync(this.#storage, { recursive: true, force: true });
    rmSync(this.#tarball, { force: true });
  }
}
