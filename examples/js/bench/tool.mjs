// What the programs here share: one line for what goes wrong, and files that are written whole.

import { randomUUID } from "node:crypto";
import { constants, open, realpath, rename, rm, stat, writeFile } from "node:fs/promises";

/** End with one line and exit code 2 where anything fails; a full or closed stdout, too. */
export function failInOneLine() {
  const fail = (error) => {
    process.stderr.write(`${String(error?.message ?? error).replaceAll(/\p{Cc}+/gu, " ")}\n`);
    process.exit(2);
  };
  process.stderr.on("error", () => {}); // there is nobody left to tell
  process.stdout.on("error", (error) => fail(new Error(`cannot write to stdout: ${error.message}`)));
  process.on("uncaughtException", fail);
}

/** Read a positive number of the command line. */
export function count(text, what) {
  const found = Number(text);
  if (!Number.isSafeInteger(found) || found < 1 || found > 1e8) {
    throw new Error(`${what} must be a whole number from 1 to 100000000, not ${text}`);
  }
  return found;
}

/**
 * Write a file: a regular one atomically, with the mode that it had, and through a link to what
 * it points at; a pipe or device is written to, never replaced.
 */
export async function writeWhole(path, content) {
  const found = await stat(path).catch(() => null);
  if (found && !found.isFile()) {
    const file = await open(path, constants.O_WRONLY); // waits for the reader of a pipe
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    return;
  }
  const target = await realpath(path).catch(() => path);
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, content, { flag: "wx", mode: found ? found.mode & 0o777 : 0o666 });
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
