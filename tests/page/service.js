// A service of its own for the tests: a temporary folder, a source of files, a repository, users of each kind.
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const START_MAX_MS = 60_000;
// So that a backup can be watched: the content takes some seconds.
const UPLOAD_KIB_A_SECOND = 4096;
const LARGE_BYTES = 16 << 20;

/** A file whose name would be markup, and would turn the direction of text, if the page let it. */
export const HOSTILE = '<img src=x onerror=alert(1)>\u202egpj.exe';

const USERS = { ada: ['operator', 'restorer', 'auditor'], vic: ['viewer'] };

/** Makes everything and starts the service. */
export async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'lockgate-page-'));
  const data = join(folder, 'data');
  mkdirSync(join(data, 'letters'), { recursive: true });
  writeFileSync(join(data, 'letters', 'first.txt'), 'Dear reader,\n');
  writeFileSync(join(data, 'letters', HOSTILE), 'nothing but text');
  writeFileSync(join(data, 'large.bin'), randomBytes(LARGE_BYTES));
  const small = join(folder, 'small');
  mkdirSync(small);
  writeFileSync(join(small, 'note'), 'small\n');
  const tokens = Object.fromEntries(Object.keys(USERS).map((name) => [name, `lockgate_${randomBytes(32).toString('hex')}`]));
  const configuration = join(folder, 'config.toml');
  writeFileSync(configuration, settings(folder, data, small, tokens));
  writeFileSync(join(folder, 'password'), 'only for this test\n');
  chmodSync(join(folder, 'password'), 0o600);
  const environment = { ...process.env, LOCKGATE_CONFIG: configuration, LOCKGATE_CACHE: join(folder, 'cache'), HOME: folder };
  const lockgate = (...words) => execFileSync(process.env.LOCKGATE, words, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  lockgate('init');
  lockgate('plugin', 'lock', 'files');
  const child = spawn(process.env.LOCKGATE, ['--json', 'serve'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await listening(child);
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const code = await ended;
    rmSync(folder, { recursive: true, force: true });
    return code;
  };
  return { url, tokens, data, stop, file: (path) => readFileSync(join(data, path)) };
}

function settings(folder, data, small, tokens) {
  const users = Object.entries(USERS).map(([name, roles]) => {
    const hash = createHash('sha256').update(tokens[name]).digest('hex');
    return `[service.users.${name}]\nroles = ${JSON.stringify(roles)}\ntoken-sha256 = "${hash}"\n`;
  });
  return `
audit = "${folder}/audit.jsonl"

[repositories.main]
url = "fs:${folder}/repository"
password-file = "${folder}/password"
limit-upload-kib = ${UPLOAD_KIB_A_SECOND}
write = { pack-mib = 4 }

[trust]
lock = "${folder}/plugins.lock"

[sources.home]
plugin = "files"
folders.docs = { path = "${data}", access = "read-write" }
config = { fingerprint = true }

[sources.desk]
plugin = "files"
folders.notes = { path = "${small}", access = "read-write" }

[sets.site]
sources = ["home", "desk"]

[schedules.yearly]
cron = "0 3 1 1 *"
backup = "desk"
label = "yearly"

[service]
listen = "127.0.0.1:0"
state = "sqlite:${folder}/state.db"

${users.join('\n')}`;
}

async function listening(child) {
  const timer = setTimeout(() => child.kill('SIGKILL'), START_MAX_MS);
  for await (const line of createInterface({ input: child.stdout })) {
    const message = JSON.parse(line);
    if (message.message_type !== 'listening') continue;
    clearTimeout(timer);
    child.stdout.resume();
    return message.url;
  }
  throw new Error('the service ended before it listened');
}
