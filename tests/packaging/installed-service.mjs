// The installed service, started as its unit says: its command, user, directories, mode mask and environment file.

import assert from 'node:assert/strict';

export class InstalledService {
  #root;
  #unit;
  #port;
  #process;
  #token;

  /** Starts the service of the root and resolves when it listens on `port`. `unit` is the file of its unit. */
  static async start(root, { port = 3000, unit = '/lib/systemd/system/vaultcast.service' } = {}) {
    const service = new InstalledService();
    service.#root = root;
    service.#port = port;
    service.#unit = readSettings(await root.read(unit));
    const { StateDirectory, StateDirectoryMode, User, Group } = service.#unit;
    await root.run(['/usr/bin/install', '-d', '-m', StateDirectoryMode, '-o', User, '-g', Group, `/var/lib/${StateDirectory}`]);
    service.#process = await service.#spawn(service.#unit.ExecStart.split(' '));
    await service.#process.waitForOutput(/vaultcast serves addr=/);
    service.#token = await service.command('token', '--user', 'user_1', '--name', 'Ana', '--email', 'ana@example.com');
    return service;
  }

  /** Starts a command in the environment of the service. */
  async #spawn(command) {
    const { EnvironmentFile, WorkingDirectory, UMask, User, Group } = this.#unit;
    const idIn = async (file, name) => Number((await this.#root.read(file)).match(new RegExp(`^${name}:x:(\\d+):`, 'm'))[1]);
    const user = await idIn('/etc/passwd', User);
    const group = await idIn('/etc/group', Group);
    const env = readSettings(await this.#root.read(EnvironmentFile));
    const masked = ['/bin/sh', '-c', `umask ${UMask} && exec "$@"`, 'sh', ...command];
    return this.#root.spawn(masked, { user, group, directory: WorkingDirectory, env });
  }

  /** Runs a command of the binary with the configuration of the service, and resolves with its output. */
  async command(...args) {
    const started = await this.#spawn([...this.#unit.ExecStart.split(' '), ...args]);
    const { code } = await started.waitForExit();
    assert.equal(code, 0, started.output);
    return started.stdout.trim();
  }

  /** What the service has logged. */
  get output() {
    return this.#process.output;
  }

  get(route) {
    return this.#root.request(`http://127.0.0.1:${this.#port}${route}`, { token: this.#token });
  }

  post(route, body) {
    return this.#root.request(`http://127.0.0.1:${this.#port}${route}`, { method: 'POST', token: this.#token, body });
  }

  stop() {
    return this.#root.signal(this.#process, 'SIGTERM');
  }

  kill() {
    return this.#root.signal(this.#process, 'SIGKILL');
  }
}

/** Reads the lines `NAME=value` of a unit or an environment file; of a repeated name, the last. */
function readSettings(text) {
  return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
}
