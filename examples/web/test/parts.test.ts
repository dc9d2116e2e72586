/** The parts that need no browser. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { codesToIndex, codesToValues, EFFICIENTNET_B0, MNASNET, toCodes } from "../src/anb";
import { toCsv } from "../src/csv";
import { formatDelta, formatPlain, formatRank, formatShare, formatValue, shortShare, ticks } from "../src/format";
import { readArchitectures } from "../src/imports";
import { paretoFront } from "../src/pareto";
import { parseArchitecture } from "../src/parse";
import { Nearest } from "../src/plot/nearest";
import { extent, Scale } from "../src/plot/scale";
import { betterThan } from "../src/readout";
import { readHash, writeHash } from "../src/state";
import { generator, neighbours, sampleCodes } from "../src/worker/sample";

const random = generator(7);
const uniform = () => random() / 2 ** 32;

describe("Pareto fronts", () => {
  it("are those of the definition", () => {
    for (let round = 0; round < 300; round++) {
      const n = Math.floor(uniform() * 40);
      const grid = round % 2 ? 6 : 1e9; // with and without ties
      const draw = () => Float32Array.from({ length: n }, () => Math.floor(uniform() * grid));
      const [x, y] = [draw(), draw()];
      const allowed = round % 3 ? null : Uint8Array.from({ length: n }, () => (uniform() < 0.7 ? 1 : 0));
      const [sx, sy] = [round % 4 < 2 ? 1 : -1, round % 8 < 4 ? 1 : -1];
      const rows = [...Array(n).keys()].filter((i) => !allowed || allowed[i]);
      const expected = rows.filter((i) =>
        rows.every((j) => {
          const [dx, dy] = [(x[j] - x[i]) * sx, (y[j] - y[i]) * sy];
          const dominates = dx >= 0 && dy >= 0 && (dx > 0 || dy > 0 || j < i);
          return i === j || !dominates;
        }),
      );
      const found = paretoFront(x, y, sx, sy, allowed);
      expect([...found].sort((a, b) => a - b)).toEqual(expected);
      expect(found).toEqual([...found].sort((a, b) => x[a] - x[b]));
    }
  });
});

describe("an architecture as text", async () => {
  const fixtures = process.env.ANB_CONFORMANCE ? join(process.env.ANB_CONFORMANCE, "../fixtures") : "../../tests/fixtures";
  const document = JSON.parse(await readFile(join(fixtures, "architectures.json"), "utf8"));
  const { valid, invalid } = document.spaces.find(({ space }: any) => space.name === "mnasnet");
  const b0 = toCodes(EFFICIENTNET_B0, MNASNET);

  it("is understood as everywhere else", () => {
    expect(valid.length).toBeGreaterThan(50);
    for (const { text, codes } of valid) expect([...parseArchitecture(text, MNASNET)], text).toEqual(codes);
  });

  it("is refused as everywhere else, by what is wrong with it", () => {
    expect(invalid.length).toBeGreaterThan(50);
    for (const { text, names } of invalid) {
      let message = "";
      try {
        parseArchitecture(text, MNASNET);
      } catch (error) {
        expect((error as Error).name, text).toBe("ArchitectureError");
        message = (error as Error).message;
      }
      if (text.length <= 20_000) for (const name of names) expect(message, text.slice(0, 200)).toContain(name);
      else expect(message).toContain("characters");
    }
  });

  it.each(["https://host/page/#a=2169626640&x=params", "#x=params&a=2169626640", "http://127.0.0.1:4173/#a=2169626640"])("may be a link: %s", (text) => {
    expect(parseArchitecture(text, MNASNET)).toEqual(b0);
  });

  it.each(["https://host/page/#x=params", "#a=104485552128", `#a=${"1".repeat(100)}`, "1".repeat(1_000_000)])("is refused: %s", (text) => {
    expect(() => parseArchitecture(text, MNASNET)).toThrow();
  });
});

describe("files of architectures", () => {
  const codes = sampleCodes(50, 3, MNASNET);
  const rows = Array.from({ length: 50 }, (_, k) => codes.subarray(28 * k, 28 * k + 28));
  const values = rows.map((row) => codesToValues(row, MNASNET));
  const indices = rows.map((row) => codesToIndex(row, MNASNET));
  const genes = MNASNET.genes.map(({ name }) => name);
  const csv = (head: readonly string[], cells: (k: number) => readonly unknown[], by = ",") =>
    [head, ...rows.map((_, k) => cells(k))].map((line) => line.join(by)).join("\r\n");
  const python = (k: number) => Object.values(values[k]).map((value) => (value === true ? "True" : value === false ? "False" : value));
  const answered = ["accuracy_mean", "accuracy_lower", "my, phone_member_0".replace(", ", "-")];
  it.each<[string, string]>([
    ["genes", csv(genes, (k) => Object.values(values[k]))],
    ["genes as Python writes them", csv(genes, python)],
    ["genes as numbers, in another order", csv([...genes].reverse(), (k) => Object.values(values[k]).map((v) => (v === true ? 1 : v === false ? 0 : `${v}.0`)).reverse(), ";")],
    ["indices", csv(["index"], (k) => [indices[k]])],
    ["indices and answers", csv(["index", ...answered], (k) => [indices[k], 66.1, "", 3])],
    ["index, genes and answers", csv(["index", ...genes, ...answered], (k) => [indices[k], ...Object.values(values[k]), 1, 2, 3], "\t")],
    ["JSON of genes", JSON.stringify(values, null, 1)],
    ["JSON of answers", JSON.stringify(values.map((architecture, k) => ({ index: Number(indices[k]), architecture, predictions: { accuracy: { mean: 1 } } })))],
    ["JSON of indices", `[${indices.join(",\n")}]`],
    ["indices in quotation marks, with answers of several lines", csv(['"index"', '"accuracy_mean"'], (k) => [`"${indices[k]}"`, '"a,\r\n""b"""'])],
    ["what anb-onnx optimum writes", JSON.stringify({ target: "accuracy", genes: {}, solutions: values.map((architecture, k) => ({ index: Number(indices[k]), architecture, values: { accuracy: 1 } })) })],
    ["what anb-onnx pareto writes", JSON.stringify({ targets: [], front: values.map((architecture) => ({ architecture })) }, null, 1)],
    ["what anb-onnx rank writes", csv(["target", "index", "mean", "unit", "rank", "better", "equal", "total"], (k) => ["accuracy", indices[k], 1, "%", 1, 2, 3, 4])],
    ["JSON of codes", JSON.stringify(rows.map((row) => [...row]))],
    ["JSON lines", values.map((value, k) => JSON.stringify(k % 2 ? value : { index: Number(indices[k]), accuracy: { mean: 3 } })).join("\n")],
    ["a list in Python", `[${values.map((value) => JSON.stringify(value).replaceAll("true", "True").replaceAll("false", "False")).join(", ")},]`],
    ["indices, one per line", `${indices.join("\n")}\n\n`],
    ["codes, one per line", rows.map((row) => row.join(" ")).join("\n")],
  ])("hold %s", (_, text) => {
    const read = readArchitectures(`\uFEFF${text}`, MNASNET);
    expect(read.codes).toEqual(codes);
    expect(read.ignored).toEqual([]);
  });

  it("of one architecture are taken, too, and other columns are named", () => {
    for (const text of [JSON.stringify(EFFICIENTNET_B0), "efficientnet-b0", JSON.stringify(JSON.stringify(EFFICIENTNET_B0)), `[[${rows[0].join()}]]`, JSON.stringify(Object.values(values[0])), JSON.stringify(Object.values(values[0]).map((v) => (v === true ? "True" : v === false ? "False" : v))), "[[1,6,6,6,6,6,6],[3,3,5,3,5,5,3],[1,2,2,3,3,4,1],[true,true,true,true,true,true,true]]"]) {
      expect(readArchitectures(text, MNASNET).codes.length).toBe(28);
    }
    const noted = csv([...genes, "note"], (k) => [...Object.values(values[k]), '"a,\nb"']);
    expect(readArchitectures(noted, MNASNET)).toEqual({ codes, ignored: ["note"] });
    // As many indices as there are genes are no codes.
    expect(readArchitectures(`[${indices.slice(0, 28)}]`, MNASNET).codes).toEqual(codes.subarray(0, 28 * 28));
  });

  it("the page's own are read again", async () => {
    const table = { indices: indices.map(Number), columns: { accuracy_mean: new Float32Array(50), accuracy_lower: new Float32Array(50).fill(Number.NaN) } };
    const text = await (await toCsv(table, table.indices.map((_, k) => k), MNASNET)).text();
    expect(readArchitectures(text, MNASNET)).toEqual({ codes, ignored: [] });
  });

  it.each<[string, RegExp]>([
    ["", /empty/],
    ["index,index\n1,1", /column "index" stands twice/],
    ["index\n1\n-1", /line 3: index: "-1" is no index/],
    ["index\n104485552128", /line 2: index: .*104485552128/],
    ["index\n1,2", /line 2: 2 cells, the header has 1/],
    ["block0_e,block0_k\n1,3", /no column "index".*"block0_l"/],
    [csv(["index", ...genes], (k) => [Number(indices[k]) + (k === 7 ? 1 : 0), ...Object.values(values[k])]), /line 9: the index is \d+, but the genes are those of \d+/],
    [csv(genes, (k) => Object.values(values[k]).with(4, k === 2 ? 7 : 4)), /line 4: gene "block1_e": 7 is not allowed/],
    ["index,note,accuracy_mean\n5,a,1", /"index" may be row numbers, as "note" stands beside it/],
    ["index,block0_e\n0,1", /no column "block0_k"/],
    ['[{"index": 0, "loss": 0.5}]', /item 1: "index" may be row numbers, as "loss"/],
    ['index\n"5"6', /line 2: cell 1 does not end where its quotation marks do/],
    [JSON.stringify(new Array(28).fill(0)), /28 small numbers is one architecture's codes or 28 indices/],
    ["[1, 2, {}]", /item 3: .*missing gene/],
    ["1\n2\nthree", /line 3: .*three/],
    ["index\n", /no architecture/],
    ["[", /./],
  ])("are refused with line and reason: %j", (text, message) => {
    expect(() => readArchitectures(text, MNASNET)).toThrow(message);
  });
});

describe("links", () => {
  it("hold the whole view", () => {
    const view = {
      codes: toCodes(77n, MNASNET),
      x: "params",
      y: "macs",
      filters: { accuracy: [60, null], latency_zcu102: [null, 4.5], macs: [-1, 1e-3] },
      n: 500_000,
      kept: toCodes(78n, MNASNET),
    } as const;
    const targets = ["accuracy", "params", "latency_zcu102", "macs"];
    expect(readHash(writeHash(view, MNASNET), MNASNET, targets)).toEqual(view);
  });

  it("of any kind give a view of the space and its targets", () => {
    const targets = ["accuracy", "throughput_a100", "params"];
    const pieces = ["a=", "x=", "y=", "f=", "n=", "&", "#", "accuracy", "params", ":", "~", ",", "5", "-1e9", "%00", "%", "NaN", "__proto__", "toString", "<b>"];
    for (let round = 0; round < 5000; round++) {
      const hash = Array.from({ length: 12 }, () => pieces[Math.floor(uniform() * pieces.length)]).join("");
      const view = readHash(hash, MNASNET, targets);
      expect(view.codes.length).toBe(28);
      expect(targets).toContain(view.x);
      expect(targets.filter((name) => name !== view.x)).toContain(view.y);
      expect([100_000, 200_000, 500_000, 1_000_000]).toContain(view.n);
      for (const [name, range] of Object.entries(view.filters)) {
        expect(targets).toContain(name);
        expect(range.every((end) => end === null || Number.isFinite(end))).toBe(true);
      }
      expect(readHash(writeHash(view, MNASNET), MNASNET, targets)).toEqual(view);
    }
  });
});

describe("samples", () => {
  it("are uniform and repeatable", () => {
    const codes = sampleCodes(20_000, 1, MNASNET);
    expect(codes).toEqual(sampleCodes(20_000, 1, MNASNET));
    expect(codes.subarray(0, 2800)).toEqual(sampleCodes(100, 1, MNASNET));
    expect(codes).not.toEqual(sampleCodes(20_000, 2, MNASNET));
    MNASNET.geneSizes.forEach((size, g) => {
      const found = new Array(size).fill(0);
      for (let row = 0; row < 20_000; row++) found[codes[row * 28 + g]]++;
      for (const count of found) expect(Math.abs(count - 20_000 / size)).toBeLessThan(400);
    });
  });

  it("have as neighbours all one-gene changes", () => {
    const row = toCodes(EFFICIENTNET_B0, MNASNET);
    const found = neighbours(row, MNASNET);
    const rows = Array.from({ length: found.length / 28 }, (_, r) => found.subarray(r * 28, r * 28 + 28));
    expect(rows.length).toBe(43);
    expect(new Set(rows.map((r) => codesToIndex(r, MNASNET))).size).toBe(43);
    for (const r of rows) expect(r.reduce((n, code, g) => n + (code === row[g] ? 0 : 1), 0)).toBe(1);
  });
});

describe("numbers", () => {
  it("are written to the digits that mean something", () => {
    expect(formatValue(65.7369, 0.58)).toBe("65.74");
    expect(formatValue(8211.4, 332)).toBe("8,211");
    expect(formatValue(3.69913, 0.04)).toBe("3.699");
    expect(formatPlain(415.0912)).toBe("415.1");
    expect(formatPlain(0)).toBe("0.000");
    expect(formatDelta(-0.0312, 0.5)).toBe("−0.03");
    expect(formatDelta(0.00001, 0.5)).toBe("±0");
    expect(ticks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(ticks(48.3, 68.9, 4)).toEqual([50, 60]);
    expect(ticks(0.1, 0.45, 4)).toEqual([0.1, 0.2, 0.3, 0.4]);
  });

  it("rank among the sample", () => {
    const quantiles = Float32Array.from({ length: 1001 }, (_, i) => i);
    expect(betterThan(900, quantiles, "max")).toBe("90 %");
    expect(betterThan(900, quantiles, "min")).toBe("10 %");
    expect(betterThan(5000, quantiles, "max")).toBe("100.0 %");
    expect(betterThan(-5, quantiles, "max")).toBe("0.0 %");
  });

  it("rank among all, with two digits of what is missing", () => {
    const shares = [0, 1, 0.5, 0.014, 0.986, 0.9899, 0.9953, 0.99991234, 1 - 1.04e-11, 0.00991, 3e-7];
    expect(shares.map(formatShare)).toEqual([
      ...["0 %", "100 %", "50 %", "1 %", "99 %", "99 %", "99.53 %", "99.9912 %", "99.999999999 %", "0.99 %", "0.000030 %"],
    ]);
    expect([0, 1, 0.5, 0.9953, 0.99991, 0.00009].map(shortShare)).toEqual([
      ...["0 %", "100 %", "50 %", "99.53 %", "> 99.99 %", "< 0.01 %"],
    ]);
    expect(formatRank([1, 1])).toBe("no. 1");
    expect(formatRank([12_345, 67_890])).toBe("between no. 12,345 and 67,890");
  });
});

describe("the plot", () => {
  it("finds the nearest point", () => {
    const n = 3000;
    const px = Float32Array.from({ length: n }, () => uniform() * 300);
    const py = Float32Array.from({ length: n }, () => uniform() * 200);
    px[5] = Number.NaN;
    const nearest = new Nearest(px, py, 300, 200);
    for (let round = 0; round < 200; round++) {
      const [x, y] = [uniform() * 300, uniform() * 200];
      let best = -1;
      let distance = 12 ** 2;
      for (let i = 0; i < n; i++) {
        const d = (px[i] - x) ** 2 + (py[i] - y) ** 2;
        if (d < distance) [best, distance] = [i, d];
      }
      expect(nearest.find(x, y)).toBe(best);
    }
  });

  it("keeps what it must within the axes", () => {
    const values = Float32Array.from({ length: 10_000 }, (_, i) => i / 100);
    const [low, high] = extent(values, [150]);
    expect(low).toBeLessThan(1);
    expect(high).toBeGreaterThan(150);
    const scale = new Scale(0, 10, 100, 0);
    expect(scale.at(2.5)).toBe(75);
    expect(scale.invert(75)).toBe(2.5);
  });
});

describe("CSV", () => {
  it("keeps cells apart, whatever stands in them", async () => {
    const name = 'a;b,"c"\nd';
    const table = { indices: [0], columns: { [name]: Float32Array.of(1) } };
    const [first, ...rest] = (await (await toCsv(table, [0], MNASNET)).text()).split('"a;b,""c""\nd"');
    expect(first.split(",").length).toBe(30);
    expect(rest.length).toBe(1);
  });

  it("holds index, genes and targets, and float32 values without loss", async () => {
    const mean = Float32Array.of(65.73691558837891, 1 / 3);
    const table = { indices: [0, 2169626640], columns: { accuracy: mean } };
    const lines = (await (await toCsv(table, [1, 0], MNASNET)).text()).trim().split("\n");
    expect(lines[0].split(",").length).toBe(30);
    expect(lines[1].split(",").slice(0, 5)).toEqual(["2169626640", "1", "3", "1", "true"]);
    expect(Math.fround(Number(lines[1].split(",").at(-1)))).toBe(mean[1]);
    expect(Math.fround(Number(lines[2].split(",").at(-1)))).toBe(mean[0]);
  });
});
