// The commands of docs/operations.md, run as the page has them: only paths and names are those of the test, `sudo` runs
// what it is given in the test's own name, and what a `systemctl` line does the test does.

import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Program } from './program.mjs';

const PAGE = fileURLToPath(new URL('../../docs/operations.md', import.meta.url));

/** Whoever is asked to be somebody else stays who he is. */
const SUDO = 'sudo() { [ "$1" != -u ] || shift 2; "$@"; }';

export class Page {
  /** For a service, whose directory stands for the machine's. */
  static async of(service) {
    const page = Object.assign(new Page(), { service, text: await readFile(PAGE, 'utf8') });
    const { directory, binary, database, secret } = service;
    for (const name of ['etc', 'bin']) await mkdir(`${directory}/${name}`);
    await symlink(binary, `${directory}/bin/vaultcast`);
    await writeFile(`${directory}/etc/config.toml`, '');
    await writeFile(`${directory}/etc/secrets.env`, `AUTH_SECRET='${secret}'\nDATABASE_URL=${database.url}\n`);
    await chmod(`${directory}/etc/secrets.env`, 0o600);
    return page;
  }

  /** The commands that answer a question. */
  #answer(question) {
    const [, answer] = this.text.split(`\n## ${question}\n`);
    assert(answer, `no such question: ${question}`);
    return answer.split('\n## ')[0].match(/```sh\n([^]*?)```/)[1];
  }

  /** Does what the answer to a question says; what the commands say. */
  async follow(question) {
    const { directory, database } = this.service;
    const preamble = `set -eu\n${SUDO}\n${this.#answer('How do I run a command as the service would?').replace(/^}\n[^]*/m, '}\n')}`;
    const commands = this.#answer(question)
      .split(/^(sudo systemctl (?:stop|start) vaultcast)\n/m)
      .filter((part) => part);
    let said = '';
    for (const part of commands) {
      if (part.endsWith('stop vaultcast')) await this.service.stop();
      else if (part.endsWith('start vaultcast')) await this.service.resume();
      else {
        const script = `${preamble}\n${part}`
          .replaceAll('/etc/vaultcast', `${directory}/etc`)
          .replaceAll('/var/lib/vaultcast', directory)
          .replaceAll('/var/backups/vaultcast', `${directory}/backups`)
          .replaceAll(/ -[og] vaultcast/g, '');
        const { PATH, HOME } = process.env;
        const env = { PATH: `${directory}/bin:${PATH}`, HOME, ...database.environment };
        const bash = new Program('bash', ['-c', database.named(script)], { env });
        const { code } = await bash.ended(30_000);
        assert.equal(code, 0, `${part}said: ${bash.output}`);
        said += bash.output;
      }
    }
    return said;
  }
}
