import { execFile, execFileSync, spawn } from "node:child_process";
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const TOOL = join(import.meta.dirname, "../bench/tool.mjs");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anb-js-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Run a script that has the tool's functions. */
function run(script: string, stdout: "pipe" | number = "pipe"): Promise<{ code: number; out: string; err: string }> {
  const source = `import { failInOneLine, writeWhole } from ${JSON.stringify(TOOL)}; failInOneLine(); ${script}`;
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
      stdio: ["ignore", stdout, "pipe"],
    });
    let [out, err] = ["", ""];
    child.stdout?.on("data", (part) => (out += part));
    child.stderr!.on("data", (part) => (err += part));
    child.on("close", (code) => resolve({ code: code!, out, err }));
  });
}

const write = (path: string, content: string) =>
  run(`await writeWhole(${JSON.stringify(path)}, ${JSON.stringify(content)});`);

describe("the programs", () => {
  it("end with one line and code 2 where stdout is full or closed, or anything fails", async () => {
    const full = await run('console.log("a".repeat(1e6)); setTimeout(() => {}, 1e4);', openSync("/dev/full", "w"));
    expect(full).toMatchObject({ code: 2, err: "cannot write to stdout: ENOSPC: no space left on device, write\n" });
    const failed = await run('await Promise.reject(new Error("one\\ntwo\\x1b[31m"));');
    expect(failed).toEqual({ code: 2, out: "", err: "one two [31m\n" });
    // A reader that has gone away.
    const script = `import { failInOneLine } from ${JSON.stringify(TOOL)}; failInOneLine();
      for (let k = 0; k < 1e6; k++) if (!process.stdout.write("line\\n")) await new Promise((r) => process.stdout.once("drain", r));`;
    const shell = '"$0" --input-type=module -e "$1" | head -1; echo "${PIPESTATUS[0]}"';
    const piped = await new Promise<string[]>((resolve) =>
      execFile("bash", ["-c", shell, process.execPath, script], (_, out, err) => resolve([out, err])),
    );
    expect(piped).toEqual(["line\n2\n", "cannot write to stdout: write EPIPE\n"]);
  });

  it("write files whole, with their mode, and through links", async () => {
    const [real, link, fresh] = ["real.bin", "link.bin", "fresh.bin"].map((name) => join(folder, name));
    await writeFile(real, "old");
    await chmod(real, 0o600);
    await symlink(real, link);
    expect((await write(link, "new")).code).toBe(0);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect(await readFile(real, "utf8")).toBe("new");
    expect((await stat(real)).mode & 0o777).toBe(0o600);
    expect((await write(fresh, "new")).code).toBe(0);
    expect(await readFile(fresh, "utf8")).toBe("new");
    const refused = await write(join(folder, "no", "such"), "new");
    expect(refused).toMatchObject({ code: 2, out: "" });
    expect(refused.err).toMatch(/^ENOENT: [^\n]*\n$/);
    expect((await readdir(folder)).sort()).toEqual(["fresh.bin", "link.bin", "real.bin"]); // nothing half-written
  });

  it("write through a pipe, which stays one", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const reading = readFile(pipe, "utf8");
    expect((await write(pipe, "through")).code).toBe(0);
    expect(await reading).toBe("through");
    expect((await lstat(pipe)).isFIFO()).toBe(true);
    await rm(pipe);
  });
});
