import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { build } from "vite";
import { AnbError, ArtifactError, Catalog, ENGINES, load, loadPure, sha256 } from "../src/index.js";
import { catalog } from "./artifacts.js";

let folder: string;
let model: Uint8Array;
let text: string;
let manifest: any;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anb-js-"));
  text = await readFile(join(catalog.folder, "manifest.json"), "utf8");
  model = new Uint8Array(await readFile(join(catalog.folder, "accuracy.onnx")));
  manifest = JSON.parse(text);
  manifest.targets = { accuracy: manifest.targets.accuracy };
  delete manifest.golden;
});
afterAll(() => rm(folder, { recursive: true }));

/** A folder with a manifest, which may be text, and accuracy.onnx. */
async function written(content: unknown, file: Uint8Array = model): Promise<string> {
  const own = await mkdtemp(join(folder, "case-"));
  await writeFile(join(own, "manifest.json"), typeof content === "string" ? content : JSON.stringify(content));
  await writeFile(join(own, "accuracy.onnx"), file);
  return own;
}

/** The manifest, changed. */
function changed(change: (manifest: any) => void): unknown {
  const copy = structuredClone(manifest);
  change(copy);
  return copy;
}

async function refusal(artifacts: unknown, options: object = {}): Promise<AnbError> {
  const error = await loadPure("accuracy", { artifacts: artifacts as string, ...options }).then(
    () => new Error("it was believed"),
    (reason) => reason,
  );
  expect(error, String(error?.stack)).toBeInstanceOf(AnbError);
  expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}]/u); // one line, that does nothing to a terminal
  return error;
}

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
}

describe("where artifacts are said to be", () => {
  it.each<[unknown, string]>([
    ["http://[bad/", "is no address of a folder"],
    ["https://", "is no address of a folder"],
    ["file://[", "is no address of a folder"],
    ["http://127.0.0.1:1/artifacts?token=1", "without ? and #"],
    [new URL("http://127.0.0.1:1/#a"), "without ? and #"],
    ["", "must be a path or an URL of a folder"],
    [5, "must be a path or an URL of a folder, or a Catalog, not 5"],
    [{}, "must be a path or an URL"],
    [["a"], "must be a path or an URL"],
    [Symbol("a"), "must be a path or an URL"],
    ["/no/such/folder", "/no/such/folder/manifest.json cannot be read (ENOENT"],
    ["a\0b", "a\\u0000b/manifest.json cannot be read"],
    ["\ud800", "\\ud800/manifest.json cannot be read"],
    ["file://elsewhere/a", "cannot be read"],
    ["ftp://127.0.0.1/a", "cannot be read"],
    ["http://127.0.0.1:1/\x1b[31m", "cannot be fetched"],
    ["http://user:secret@127.0.0.1:1/", "cannot be fetched"],
  ])("is an error at once where it cannot be: %s", async (place, message) => {
    const error = await refusal(place);
    expect(error).toBeInstanceOf(ArtifactError);
    expect(error.message).toContain(message);
  });

  it("may be a path, an address of a file, with or without a slash at its end", async () => {
    const own = await written(manifest);
    const places = [own, `${own}/`, pathToFileURL(own), pathToFileURL(`${own}/`), pathToFileURL(own).href];
    for (const place of places) expect((await loadPure("accuracy", { artifacts: place })).nMembers).toBe(8);
  });

  it("is asked for by a bundle in CommonJS, which cannot know it", async () => {
    const out = join(folder, "bundle");
    const entry = join(folder, "entry.js");
    await writeFile(entry, `export { loadPure } from ${JSON.stringify(join(import.meta.dirname, "../src/pure.ts"))};`);
    await build({
      configFile: false,
      logLevel: "silent",
      build: {
        outDir: out, emptyOutDir: true, minify: false,
        lib: { entry, formats: ["cjs"], fileName: () => "bundle.cjs" },
      },
    });
    const script = `require(${JSON.stringify(join(out, "bundle.cjs"))}).loadPure("accuracy", OPTIONS)
      .then((s) => console.log(s.nMembers), (e) => console.log(e.name + ": " + e.message))`;
    const run = (options: string, ANB_ONNX_ARTIFACTS: string, more = {}) =>
      execFileSync(process.execPath, ["-e", script.replace("OPTIONS", options)], {
        env: { ...process.env, ANB_ARTIFACTS: "", ANB_ONNX_ARTIFACTS, ...more }, encoding: "utf8",
      }).trim();
    expect(run("{}", "")).toMatch(/^ArtifactError: .*pass (\{ artifacts: FOLDER \}|a folder).* set ANB_ONNX_ARTIFACTS$/);
    const own = await written(manifest);
    expect(run("{}", own)).toBe("8");
    expect(run(JSON.stringify({ artifacts: own }), "")).toBe("8");
    const former = { ANB_ARTIFACTS: own }; // the name that the variable had: never passed over in silence
    expect(run("{}", "", former)).toMatch(/^ArtifactError: .* ANB_ARTIFACTS \(.*\) is called ANB_ONNX_ARTIFACTS now/);
    expect(run("{}", own, former)).toBe("8");
    expect(typeof createRequire(import.meta.url)(join(out, "bundle.cjs")).loadPure).toBe("function");
  });
});

describe("files that are none, or too large", () => {
  it("are refused before they are read: pipes, devices, folders", async () => {
    for (const name of ["manifest.json", "accuracy.onnx"]) {
      const own = await written(manifest);
      const replace = async (make: (path: string) => unknown) => {
        await rm(join(own, name), { force: true, recursive: true });
        await make(join(own, name));
        return (await refusal(own)).message;
      };
      const refused = `${own}/${name} cannot be read (it is no regular file)`;
      expect(await replace((path) => execFileSync("mkfifo", [path]))).toContain(refused);
      expect(await replace((path) => mkdir(path))).toContain(refused);
      expect(await replace((path) => symlink("/dev/zero", path))).toContain(refused);
    }
  });

  it("are followed where they are links, and bounded in size", async () => {
    const own = await written(manifest);
    const linked = await mkdtemp(join(folder, "links-"));
    for (const name of ["manifest.json", "accuracy.onnx"]) await symlink(join(own, name), join(linked, name));
    expect((await loadPure("accuracy", { artifacts: linked })).nMembers).toBe(8);
    await truncate(join(own, "accuracy.onnx"), 10 * 2 ** 30); // a hole of 10 GB
    expect((await refusal(linked)).message).toContain(
      "accuracy.onnx has 10737418240 bytes or more, at most 67108864 are allowed (maxArtifactBytes sets this limit)",
    );
    await truncate(join(own, "manifest.json"), 17 * 2 ** 20);
    expect((await refusal(linked)).message).toContain("at most 16777216 are allowed (maxManifestBytes");
    const whole = await written(manifest);
    expect((await refusal(whole, { maxManifestBytes: 100 })).message).toContain("at most 100 are allowed");
    expect((await refusal(whole, { maxArtifactBytes: model.length - 1 })).message).toContain(`at most ${model.length - 1}`);
    expect((await refusal(whole, { maxArtifactBytes: Number.NaN })).message).toContain("must be a number of bytes");
    expect((await loadPure("accuracy", { artifacts: whole, maxArtifactBytes: model.length })).nMembers).toBe(8);
  });

  it("are bounded over http, whatever length a server states", async () => {
    let sent = 0;
    const endless: RequestListener = (request, response) => {
      if (request.url!.startsWith("/stated/")) response.setHeader("content-length", 10 * 2 ** 30);
      const part = Buffer.alloc(1 << 20, " ");
      const more = () => {
        while (!response.destroyed && response.write(part)) sent++;
      };
      response.on("drain", more);
      more();
    };
    const url = await serve(endless);
    expect((await refusal(url)).message).toMatch(/manifest\.json has \d+ bytes or more, at most 16777216/);
    expect(sent).toBeLessThan(64); // in MiB, of an endless file
    expect((await refusal(`${url}stated/`)).message).toContain("has 10737418240 bytes or more");
  });

  it("are bounded where a server states no length that is one", async () => {
    const fetched = globalThis.fetch;
    onTestFinished(() => void (globalThis.fetch = fetched));
    let pulled = 0;
    globalThis.fetch = async () => {
      const pull = (controller: ReadableStreamDefaultController) => {
        pulled++;
        controller.enqueue(new Uint8Array(1 << 20).fill(32));
      };
      return new Response(new ReadableStream({ pull }), { headers: { "content-length": "many" } });
    };
    expect((await refusal("http://host/")).message).toContain("at most 16777216 are allowed");
    expect(pulled).toBeLessThan(32);
  });

  it("end with the caller's signal where a server sends nothing", async () => {
    const url = await serve(() => {});
    const ends = new AbortController();
    const loading = refusal(url, { signal: ends.signal });
    ends.abort();
    expect((await loading).message).toContain("manifest.json cannot be fetched (This operation was aborted)");
  });

  it("are named where a server answers with something else", async () => {
    const url = await serve((request, response) => {
      if (request.url!.startsWith("/status")) response.writeHead(503).end("\x1b[31mred");
      else if (request.url!.startsWith("/cut")) response.writeHead(200, { "content-length": 10 }).write("{", () => response.destroy());
      else response.end("<html>");
    });
    expect((await refusal(`${url}status`)).message).toMatch(/status\/manifest\.json cannot be fetched \(503\); a folder of several benchmarks takes \{ benchmark: NAME \}$/);
    expect((await refusal(`${url}cut`)).message).toContain("cannot be fetched (");
    expect((await refusal(`${url}page`)).message).toContain("is not valid JSON (");
  });
});

describe("a manifest", () => {
  it.each<[string, (text: string) => string, string]>([
    ["a key twice", (t) => t.replace('"schema":', '"schema": 2, "schema":'), 'key "schema" stands twice'],
    ["a key twice, spelt differently", (t) => t.replace('"schema":', '"sch\\u0065ma": 2, "schema":'), "stands twice"],
    ["a key twice far inside", (t) => t.replace('"scale":', '"scale": 0, "scale":'), 'key "scale" stands twice'],
    ["a number beyond float64", (t) => t.replace('"size": 104485552128', '"size": 1e999').replace('"size":104485552128', '"size":1e999'), "1e999 is too large"],
    ["a number of 5,000 digits", (t) => t.replace(/"size": ?\d+/, `"size": ${"9".repeat(5000)}`), "is too large"],
    ["half a surrogate pair", (t) => t.replace('"%"', '"\\ud800"'), "half a surrogate pair"],
    ["NaN", (t) => t.replace(/"scale": ?[^,]+/, '"scale": NaN'), "is not valid JSON"],
    ["deep nesting", (t) => t.replace("{", `{"a": ${"[".repeat(100)}${"]".repeat(100)}, `), "nested more than 64 deep"],
    ["very deep nesting", () => "[".repeat(3_000_000), "is not valid JSON"],
    ["an end", (t) => t.slice(0, -5), "is not valid JSON"],
    ["a NUL", (t) => `${t}\0`, "is not valid JSON"],
    ["a list", () => "[]", "must hold a JSON object, not []"],
    ["null", () => "null", "must hold a JSON object, not null"],
    ["nothing", () => "", "is not valid JSON"],
  ])("is refused with %s", async (_, change, message) => {
    expect((await refusal(await written(change(JSON.stringify(manifest))))).message).toContain(message);
  });

  it("is read in linear time, however often a key repeats", async () => {
    const many = (n: number) => `{${Array.from({ length: n }, (_, i) => `"k${i}":0,`).join("")}"k0":0}`;
    expect((await refusal(await written(many(300_000)))).message).toContain('key "k0" stands twice');
    const repeated = `{${'"k":0,'.repeat(600_000)}"k":0}`;
    expect((await refusal(await written(repeated))).message).toContain('key "k" stands twice');
  });

  it("may begin with a byte order mark, but must be UTF-8", async () => {
    expect((await loadPure("accuracy", { artifacts: await written(`\ufeff${JSON.stringify(manifest)}`) })).nMembers).toBe(8);
    const own = await written(manifest);
    await writeFile(join(own, "manifest.json"), Buffer.from(JSON.stringify(manifest), "utf16le"));
    expect((await refusal(own)).message).toContain("is not valid JSON");
    await writeFile(join(own, "manifest.json"), Buffer.from('{"schema": "\xff"}', "latin1"));
    expect((await refusal(own)).message).toContain("is not valid JSON");
  });

  it.each([
    "../../secret", "..", ".", "", ".hidden", "/etc/passwd", "a/b", "a\\b", "c:stream", "http:host", "a?b",
    "a*", "a\0b", "a\nb", "a\x1b[0m", " a", "a ", "a.", "a\u202eb", "a\u2028b", "n".repeat(300), 5, null, ["a"],
  ])("names plain files only, of targets and golden vectors: not %j", async (file) => {
    const target = changed((m) => (m.targets.accuracy.file = file));
    expect((await refusal(await written(target))).message).toContain('key "file" must be a plain file name');
    const golden = changed((m) => (m.golden = { file, sha256: "0".repeat(64) }));
    const opened = await Catalog.open(await written(golden));
    await expect(opened.readGolden()).rejects.toThrow('key "golden": key "file" must be a plain file name');
  });

  it("asks for files by their names, whatever an address makes of them", async () => {
    const asked: string[] = [];
    const names = ["%2e%2e%2fsecret", "a#b", "a;b=c", "ä b"];
    const url = await serve((request, response) => {
      asked.push(request.url!);
      if (!request.url!.endsWith("manifest.json")) return void response.writeHead(404).end();
      const file = names[Number(request.url!.split("/")[1])];
      response.end(JSON.stringify(changed((m) => (m.targets.accuracy.file = file))));
    });
    for (const [k, name] of names.entries()) {
      await refusal(`${url}${k}/`);
      expect(decodeURIComponent(asked.at(-1)!)).toBe(`/${k}/${name}`);
      expect(new URL(asked.at(-1)!, url).pathname).toBe(`/${k}/${encodeURIComponent(name)}`);
    }
  });

  const gene = (name: string, size = 2) => ({ name, choices: [...Array(size).keys()] });
  const space = (blocks: object[]) => (m: any) => (m.search_space = { name: "s", blocks });
  it.each<[string, (m: any) => void, RegExp]>([
    ["20,000 blocks", space(Array.from({ length: 20_000 }, (_, b) => ({ name: `b${b}`, genes: [gene(`g${b}`)] }))), /search space/],
    ["65 blocks", space(Array.from({ length: 65 }, (_, b) => ({ name: `b${b}`, genes: [gene(`g${b}`)] }))), /search space/],
    ["60,000 genes", space([{ name: "b", genes: Array.from({ length: 60_000 }, (_, g) => gene(`g${g}`)) }]), /search space/],
    ["1,025 genes", space(Array.from({ length: 41 }, (_, b) => ({ name: `b${b}`, genes: Array.from({ length: 25 }, (_, g) => gene(`${b}_${g}`)) }))), /at most 1024 genes/],
    ["257 choices", space([{ name: "b", genes: [gene("g", 257)] }]), /search space/],
    ["2^33 symbols", space([{ name: "b", genes: Array.from({ length: 33 }, (_, g) => gene(`g${g}`)) }]), /search space/],
    ["a block twice", space([{ name: "b", genes: [gene("g")] }, { name: "b", genes: [gene("h")] }]), /different names/],
    ["a gene twice", space([{ name: "b", genes: [gene("g"), gene("g")] }]), /used twice/],
    ["choices of two kinds", space([{ name: "b", genes: [{ name: "g", choices: [1, true] }] }]), /search space/],
    ["floats and words", space([{ name: "b", genes: [{ name: "g", choices: [1.5, "a"] }] }]), /search space/],
    ["no gene", space([{ name: "b", genes: [null as never] }]), /search space/],
    ["another size", (m) => (m.search_space.size = 5), /states 5/],
    ["200,000 members", (m) => (m.targets.accuracy.members = 200_000), /from 1 to 1024, not 200000/],
    ["half a member", (m) => (m.targets.accuracy.members = 0.5), /from 1 to 1024/],
    ["5,000 targets", (m) => { for (let k = 0; k < 5000; k++) m.targets[`t${k}`] = { file: `f${k}` }; }, /lists 5001 targets/],
    ["a file twice", (m) => (m.targets.other = m.targets.accuracy), /"accuracy" and "other" name the same file/],
    ["a name that acts on a terminal", (m) => (m.targets["a\x1b[31m"] = m.targets.accuracy), /a\\u001b\[31m": its name must be/],
    ["a name of objects", (m) => Object.defineProperty(m.targets, "__proto__", { value: m.targets.accuracy, enumerable: true }), /its name must be/],
    ["a unit that acts on a terminal", (m) => (m.targets.accuracy.unit = "%\r"), /key "unit" must be/],
    ["a device that is none", (m) => (m.targets.accuracy.device = ""), /key "device" must be null or/],
    ["targets that are none", (m) => (m.targets = null), /"targets" must be an object/],
    ["a target that is none", (m) => (m.targets.accuracy = []), /must be an object, not \[\]/],
  ])("is refused with %s", async (_, change, message) => {
    const error = await refusal(await written(changed(change)));
    expect(error).toBeInstanceOf(ArtifactError);
    expect(error.message).toMatch(message);
  });
});

describe("a manifest and the file that it lists", () => {
  it.each<[string, (card: any, m: any) => void, string | RegExp]>([
    ["scale of 0", (c) => (c.tables.scale = 0), '"tables.scale" is 0, but 4.825706917181586e-10 in the graph'],
    ["scale of 1e308", (c) => (c.tables.scale = 1e308), '"tables.scale" is 1e+308'],
    ["scale of one digit more", (c) => (c.tables.scale = 4.825706917181587e-10), '"tables.scale"'],
    ["another shift", (c) => (c.tables.shift += 1e-9), '"tables.shift"'],
    ["another place", (c) => (c.tables.offset += 4), /"tables.offset" is (\d+), but \d+ in the graph/],
    ["fewer entries", (c) => (c.tables.entries -= 1), '"tables.entries"'],
    ["members of the tables", (c) => (c.tables.members = 4), '"tables.members"'],
    ["members", (c) => (c.members = 4), '"members" is 4, but 8 in the card'],
    ["another link", (c) => (c.link.inverse = ["reflect", "reciprocal"]), '"link.inverse[0]" is "reflect", but "reciprocal" in the card'],
    ["another offset", (c) => (c.link.offset = 81), '"link.offset" is 81, but 80 in the card'],
    ["a hinge", (c) => (c.link.hinges = [[60, 1]]), '"link.hinges" is [[60,1]], but absent'],
    ["a regime", (c) => (c.link.regime = { gene: "block0_e", codes: [0], hinges: [[60, 1]] }), '"link.regime"'],
    ["no link", (c) => delete c.link, '"link" is absent'],
    ["another unit", (c) => (c.unit = "ppm"), '"unit" is "ppm", but "%" in the card'],
    ["other terms", (c) => c.terms.reverse(), '"terms[0][0]" is 5, but 0 in the card'],
    ["a term less", (c) => c.terms.pop(), '"terms" is [[0,1],[0,2]'],
    ["a term of one block more", (c) => c.terms[20].unshift(4), '"terms[20]" is [4,5,6], but [5,6] in the card'],
    ["no terms", (c) => delete c.terms, '"terms" is absent, but [[0,1]'],
    ["no tables", (c) => delete c.tables, 'key "tables" is absent, but "terms" is there'],
    ["tables that are none", (c) => (c.tables = null), 'key "tables" is absent, but "terms" is there'],
    ["another benchmark", (_, m) => (m.benchmark = "other"), '"benchmark" is "other", but "accel-nasbench" in the card'],
    ["another metric", (c) => (c.metric = "loss"), '"metric"'],
    ["another device", (c) => (c.device = "a100"), '"device" is "a100", but null'],
    ["the other direction", (c) => (c.direction = "min"), '"direction" is "min", but "max"'],
    ["another size", (c) => c.bytes++, /"bytes" must be \d+, the size of/],
    ["exactness", (c) => (c.exact = true), '"exact" is true, but false'],
    ["another form", (c) => (c.form = "projected"), '"form"'],
    ["a narrower interval", (c) => (c.calibration.quantiles[22] = 3), '"calibration.quantiles[22]"'],
    ["fewer levels", (c) => c.calibration.levels.pop(), '"calibration.levels"'],
    ["no calibration", (c) => delete c.calibration, '"calibration" is absent'],
    ["better quality", (c) => (c.quality.test.r2 = 1), '"quality.test.r2" is 1, but 0.98'],
    ["other data", (c) => (c.dataset.sha256 = "0".repeat(64)), '"dataset.sha256"'],
    ["two genes swapped", (_, m) => m.search_space.blocks[1].genes.reverse(), '"search_space.blocks[1].genes[0].choices'],
    ["other choices", (_, m) => (m.search_space.blocks[0].genes[0].choices = [1, 4, 8]), '"search_space.blocks[0].genes[0].choices[2]" is 8, but 6'],
    ["the other truth", (_, m) => m.search_space.blocks[0].genes[3].choices.reverse(), "choices[0]\" is false, but true"],
    ["another name of the space", (_, m) => (m.search_space.name = "mnasnet2"), '"search_space.name"'],
  ])("must say the same: not %s", async (_, change, message) => {
    const own = await written(changed((m) => change(m.targets.accuracy, m)));
    for (const options of [{}, { checkSha256: false }]) {
      expect((await refusal(own, options)).message).toMatch(message);
    }
    for (const engine of ENGINES.slice(1)) {
      await expect(load("accuracy", { artifacts: own, engine })).rejects.toThrow(message);
    }
  });

  it("must agree with the graph on the terms", async () => {
    // Both cards say other terms than those that the graph adds; of the same sizes, and bytes.
    const from = JSON.stringify(manifest.targets.accuracy.terms);
    for (const [to, message] of [
      [from.replace("[0,1],[0,2]", "[0,2],[0,1]"), "its graph is not that of tables of the search space"],
      [from.replace("[0,6]", "[0,5]").replace("[0,5]", "[0,6]"), "its graph is not that of tables"],
      [from.replace("[1,5]", "[1,6]").replace("[1,6],", "[1,4],"), "stands twice"],
      [from.replace("[0,1]", "[1,0]"), "term 0 must have 1 to 7 block numbers from 0 to 6 in increasing order, not [1,0]"],
      [from.replace("[0,1]", "[0,9]"), "term 0 must have"],
      [from.replace("[0,1]", "[  1]"), "its graph is not that of tables"],
    ]) {
      const copy = Buffer.from(model);
      copy.write(to, copy.indexOf(from), "latin1");
      const hash = await sha256(copy);
      const own = changed((m) => Object.assign(m.targets.accuracy, { terms: JSON.parse(to), sha256: hash }));
      expect((await refusal(await written(own, copy))).message, to).toContain(message);
    }
  });

  it("may be of another order and have keys that nobody knows", async () => {
    const own = changed((m) => {
      const { accuracy } = m.targets;
      m.targets.accuracy = Object.fromEntries(Object.entries({ note: "mine", ...accuracy }).reverse());
      m.targets.accuracy.verification = { n: 1 };
      m.comment = [1, { a: null }];
    });
    expect((await loadPure("accuracy", { artifacts: await written(own) })).nMembers).toBe(8);
  });

  it("must agree on the name of the target", async () => {
    const own = await written(changed((m) => (m.targets = { precision: m.targets.accuracy })));
    const opened = await Catalog.open(own);
    await expect(opened.read(opened.find("precision"))).rejects.toThrow('must be called "accuracy", after its metric');
  });

  it("must both be there: a file without a card, or with two, is refused", async () => {
    const withFile = async (file: Uint8Array) => {
      const hash = await sha256(file);
      return (await refusal(await written(changed((m) => (m.targets.accuracy.sha256 = hash)), file))).message;
    };
    const bytes = Buffer.from(model);
    const replaced = (from: string, to: string) => {
      const copy = Buffer.from(bytes);
      // The last one: words about the metadata come before it.
      copy.write(to, copy.lastIndexOf(from), "latin1");
      return copy;
    };
    expect(await withFile(replaced("anb_onnx.card", "anb_onnx.cart"))).toContain('its metadata lacks "anb_onnx.card"');
    expect(await withFile(replaced("anb_onnx.schema\x12\x012", "anb_onnx.schema\x12\x011"))).toContain(
      "accuracy.onnx has schema 1, this package reads 2; convert its folder with: anb-export upgrade",
    );
    expect(await withFile(replaced("anb_onnx.schema\x12\x012", "anb_onnx.schema\x12\x01x"))).toContain('must be 2, not "x"');
    const other = JSON.stringify(manifest.targets.accuracy.terms).replaceAll("[5,6]", "[0,6]");
    const swapped = replaced(JSON.stringify(manifest.targets.accuracy.terms), other);
    expect(await withFile(swapped)).toContain('"terms[20][0]" is 5, but 0 in the card');
    expect(await withFile(replaced("anb_onnx.schema", "anb_onnx.schemb"))).toContain("is not an anb_onnx artifact");
    expect(await withFile(replaced('"unit":"%"', '"unit":"\xff"'))).toContain("it is no ONNX file");
    expect(await withFile(replaced('"exact":false', '"unit":"ppm" '))).toContain('key "unit" stands twice');
    expect(await withFile(Buffer.concat([bytes, bytes]))).toMatch(/metadata "anb_onnx\.\w+" stands twice/);
    expect(await withFile(replaced("B\x06tables", "B\x06fables"))).toContain("its graph is not that of tables");
    expect(await withFile(Buffer.alloc(100))).toContain("it is no ONNX file");
    expect(await withFile(Buffer.alloc(0))).toContain("is not an anb_onnx artifact");
    expect(await withFile(bytes.subarray(0, 500_000))).toContain("it is no ONNX file");
    // A constant of the graph: the scale, that of the manifest being the right one.
    const scale = Buffer.alloc(8);
    scale.writeDoubleLE(manifest.targets.accuracy.tables.scale);
    const another = Buffer.from(bytes);
    another.writeDoubleLE(1e-9, another.indexOf(scale));
    expect(await withFile(another)).toContain('"tables.scale" is 4.825706917181586e-10, but 1e-9 in the graph');
  });

  it("must have sums that int32 holds", async () => {
    const { offset } = manifest.targets.accuracy.tables;
    const file = model.slice();
    for (let at = 0; at < 29808 * 8; at += 8) new DataView(file.buffer).setInt32(offset + 4 * at, 2 ** 31 - 1, true);
    const hash = await sha256(file);
    const own = await written(changed((m) => (m.targets.accuracy.sha256 = hash)), file);
    expect((await refusal(own)).message).toContain(
      `member 0 can add up to 0 or ${21 * (2 ** 31 - 1)}, which int32 does not hold`,
    );
  });
});

describe("numbers of the tables", () => {
  it("are refused where they leave what can be computed with", async () => {
    const { SearchSpace, TableEngine } = await import("../src/index.js");
    const space = new SearchSpace("s", ["a", "b"].map((name) => ({ name, genes: [{ name, choices: [0, 1] }] })));
    const open = (entries: number[], tables: object, link: object = {}) => {
      const card = {
        tables: { offset: 0, entries: 4, members: 1, scale: 1, shift: 0, ...tables },
        terms: [[0, 1]],
        link: { name: "y", inverse: [], offset: null, ...link },
      };
      return () => TableEngine.fromOnnx(new Uint8Array(Int32Array.from(entries).buffer), card, space, "s.onnx");
    };
    expect(open([1, 2, 3, 4], {})).not.toThrow();
    expect(open([-(2 ** 31), 2 ** 31 - 1, 0, 0], { scale: -(2 ** 95) })).not.toThrow();
    for (const scale of [0, -0, 1e308, 2 ** -501, Number.NaN, Infinity, "1", null]) {
      expect(open([1, 2, 3, 4], { scale })).toThrow('malformed key "tables"');
    }
    for (const shift of [2 ** 127, -Infinity, Number.NaN, null]) {
      expect(open([1, 2, 3, 4], { shift })).toThrow('malformed key "tables"');
    }
    expect(open([1, 2, 3, 2 ** 31 - 1], { scale: 2 ** 95, shift: 2 ** 126 }, { inverse: ["square"] })).toThrow(
      "a prediction could be",
    );
    expect(open([-4, -3, -2, -1], {}, { inverse: ["reciprocal"] })).toThrow("inside the domain of the link");
    for (const link of [
      { inverse: ["exp"] }, { offset: 1e39, inverse: ["reflect"] }, { hinges: [[0, -1]], inverse: ["hinge"] },
      { hinges: [[1e39, 1]], inverse: ["hinge"] }, { inverse: Array(65).fill("hinge"), hinges: Array(65).fill([0, 1]) },
    ]) {
      expect(open([1, 2, 3, 4], {}, link)).toThrow("malformed link");
    }
  });
});
