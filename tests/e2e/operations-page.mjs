// Runs the commands of docs/operations/installation.md and backup.md as they are printed. Only paths and names are replaced by those
// of the test, `sudo` runs its command as the current user, and the test itself performs each `systemctl` line.

import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ManagedProcess } from './managed-process.mjs';

const readPage = (name) => readFile(fileURLToPath(new URL(`../../docs/operations/${name}.md`, import.meta.url)), 'utf8');

/** A shell function that drops `-u USER` and runs the command as the current user. */
const SUDO = 'sudo() { [ "$1" != -u ] || shift 2; "$@"; }';

export class OperationsPage {
  /** Prepares the directory of a service, which takes the place of the file system in the commands. */
  static async forService(service) {
    const page = Object.assign(new OperationsPage(), {
      service,
      text: `${await readPage('installation')}${await readPage('backup')}`,
    });
    const { directory, binary, database, secret } = service;
    for (const name of ['etc', 'bin']) await mkdir(`${directory}/${name}`);
    await symlink(binary, `${directory}/bin/vaultcast`);
    await writeFile(`${directory}/etc/config.toml`, '');
    await writeFile(`${directory}/etc/secrets.env`, `AUTH_SECRET='${secret}'\nDATABASE_URL=${database.url}\n`);
    await chmod(`${directory}/etc/secrets.env`, 0o600);
    return page;
  }

  /** Returns the commands in the section with this heading. */
  #commandsUnder(heading) {
    const [, section] = this.text.split(`\n## ${heading}\n`);
    assert(section, `docs/operations has no section "${heading}"`);
    return section.split('\n## ')[0].match(/```sh\n([^]*?)```/)[1];
  }

  /** Runs the commands in the section with this heading and returns their output. */
  async runCommands(heading) {
    const { directory, database } = this.service;
    const preamble = `set -eu\n${SUDO}\n${this.#commandsUnder('How do I run a command as the service user?').replace(/^}\n[^]*/m, '}\n')}`;
    const parts = this.#commandsUnder(heading)
      .split(/^(sudo systemctl (?:stop|start) vaultcast)\n/m)
      .filter((part) => part);
    let output = '';
    for (const part of parts) {
      if (part.endsWith('stop vaultcast')) await this.service.stop();
      else if (part.endsWith('start vaultcast')) await this.service.restart();
      else {
        const script = `${preamble}\n${part}`
          .replaceAll('/etc/vaultcast', `${directory}/etc`)
          .replaceAll('/var/lib/vaultcast', directory)
          .replaceAll('/var/backups/vaultcast', `${directory}/backups`)
          .replaceAll(/ -[og] vaultcast/g, '');
        const { PATH, HOME } = process.env;
        const env = { PATH: `${directory}/bin:${PATH}`, HOME, ...database.environment };
        const bash = new ManagedProcess('bash', ['-c', database.withDatabaseName(script)], { env });
        const { code } = await bash.waitForExit(180_000);
        assert.equal(code, 0, `${part}printed: ${bash.output}`);
        output += bash.output;
      }
    }
    return output;
  }
}
