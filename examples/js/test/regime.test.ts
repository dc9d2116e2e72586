import { describe, expect, it } from "vitest";
import { ArtifactError, encode, SearchSpace, TableEngine } from "../src/index.js";
import { bytes } from "./artifacts.js";

const gene = (name: string, size: number) => ({ name, choices: [...Array(size).keys()] });
const SPACE = SearchSpace.fromDocument({
  name: "small",
  blocks: [
    { name: "a", genes: [gene("a_k", 2), gene("a_l", 4), gene("a_e", 3)] },
    { name: "b", genes: [gene("b_k", 5)] },
    { name: "c", genes: [gene("c_k", 2), gene("c_l", 3)] },
  ],
});
const CODES = encode([...Array(720).keys()], SPACE); // all; more than are computed at once
const ENTRIES = 24 * 5 + 24 * 6 + 5 * 6;
const OFFSET = 5;

const LINK = {
  name: "1/(80-y)",
  power: "-1",
  offset: 80,
  inverse: ["reciprocal", "reflect", "hinge", "regime", "regime"],
  hinges: [[78.75, -0.3]],
};
const BARE = { ...LINK, inverse: LINK.inverse.slice(0, 3) };
const REGIME = { gene: "a_l", codes: [1, 3], hinges: [[78.8, 0.7], [79, -0.9]] };

/** A file of random tables; on the link's scale they give values between 0.5 and 1.5. */
function artifact(members: number, link: unknown) {
  const file = new Uint8Array(OFFSET + 4 * ENTRIES * members);
  const view = new DataView(file.buffer);
  for (let i = 0, x = members; i < ENTRIES * members; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) | 0;
    view.setInt32(OFFSET + 4 * i, x >> 7, true);
  }
  const scale = 0.49 / 3 / 2 ** 24;
  const tables = { offset: OFFSET, entries: ENTRIES, members, scale, shift: 1 };
  return { file, card: { tables, terms: [[0, 1], [0, 2], [1, 2]], link } };
}

const open = ({ file, card }: ReturnType<typeof artifact>) =>
  TableEngine.fromOnnx(file, card, SPACE, "small.onnx");

/** Members of one architecture, with `LINK` and a regime written out. */
function evaluate(file: Uint8Array, members: number, row: number, regime: typeof REGIME | null) {
  const view = new DataView(file.buffer);
  const [ak, al, ae, b, ck, cl] = CODES.subarray(6 * row, 6 * row + 6);
  const [a, c] = [12 * ak + 3 * al + ae, 3 * ck + cl];
  const places = [5 * a + b, 120 + 6 * a + c, 264 + 6 * b + c];
  return Array.from({ length: members }, (_, m) => {
    let total = 0;
    for (const place of places) total += view.getInt32(OFFSET + 4 * (place * members + m), true);
    let y = 80 - 1 / (total * (0.49 / 3 / 2 ** 24) + 1);
    if (y > 78.75) y = y + (y - 78.75) * -0.3;
    if (!regime) return y;
    const code = { a_k: ak, a_l: al, a_e: ae, b_k: b, c_k: ck, c_l: cl }[regime.gene]!;
    if (regime.codes.includes(code)) {
      for (const [knot, change] of regime.hinges) if (y > knot) y = y + (y - knot) * change;
    }
    return y;
  });
}

describe("a regime", () => {
  const places: [string, number, number[]][] = [
    ["a_k", 0, [0]], ["a_l", 1, [1, 3]], ["b_k", 3, [0, 2, 4]], ["c_l", 5, [2]],
  ];
  it.each([1, 3, 8])("bends inside of it only, and exactly: %i members", (members) => {
    const { file } = artifact(members, null);
    const rows = [...Array(720).keys()];
    for (const [gene, position, codes] of places) {
      const inside = rows.filter((row) => codes.includes(CODES[6 * row + position]));
      // A knot that some member inside meets exactly.
      const [met] = evaluate(file, members, inside[inside.length >> 1], null);
      const regime = { gene, codes, hinges: [[met, 0.7], [met + 0.1, -0.9]] };
      const found = open(artifact(members, { ...LINK, regime })).predict(CODES, true);
      const expected = rows.map((row) => evaluate(file, members, row, regime));
      const mean = expected.map((y) => y.reduce((sum, v) => sum + v) / members);
      const squares = expected.map((y, row) => y.map((v) => (v - mean[row]) * (v - mean[row])));
      const std = squares.map((s) => Math.sqrt(s.reduce((sum, v) => sum + v) / members));
      expect(bytes(found.mean)).toEqual(bytes(Float32Array.from(mean)));
      expect(bytes(found.std)).toEqual(bytes(Float32Array.from(std)));
      expect(bytes(found.members!)).toEqual(bytes(Float32Array.from(expected.flat())));

      const without = open(artifact(members, BARE)).predict(CODES);
      const bent = rows.filter((row) => found.mean[row] !== without.mean[row]);
      expect(bent.length).toBeGreaterThan(0);
      expect(inside).toEqual(expect.arrayContaining(bent));

      const part = open(artifact(members, { ...LINK, regime })).predict(CODES.slice(6 * 300), true);
      expect(part.members).toEqual(found.members!.subarray(300 * members));
    }
  });

  it("may be missing, and may have as many hinges as Python allows", () => {
    const hinges = Array.from({ length: 64 }, (_, k) => [78 + k / 64, 0.5]);
    const steps = (step: string) => hinges.map(() => step);
    const inverse = ["reciprocal", "reflect", ...steps("hinge"), ...steps("regime")];
    const link = { ...LINK, inverse, hinges, regime: { ...REGIME, hinges } };
    expect(() => open(artifact(1, link))).not.toThrow();
    expect(() => open(artifact(1, BARE))).not.toThrow();
    expect(() => open(artifact(1, { ...BARE, regime: null }))).not.toThrow();
  });

  const malformed: [string, object][] = [
    ["an unknown gene", { gene: "a_x" }],
    ["no gene", { gene: undefined }],
    ["a position as gene", { gene: 1 }],
    ["no codes", { codes: undefined }],
    ["an empty list of codes", { codes: [] }],
    ["a code that is no list", { codes: 3 }],
    ["a code out of range", { codes: [1, 4] }],
    ["a negative code", { codes: [-1, 3] }],
    ["a code that is no integer", { codes: [1.5] }],
    ["a choice as text", { codes: ["3"] }],
    ["codes that descend", { codes: [3, 1] }],
    ["a code twice", { codes: [3, 3] }],
    ["a hinge without change", { hinges: [[78.8, 0.7], [79]] }],
    ["a hinge that is text", { hinges: [[78.8, 0.7], ["79", "1"]] }],
    ["an infinite knot", { hinges: [[78.8, 0.7], [Infinity, 1]] }],
    ["hinges that are no list", { hinges: { length: 2 } }],
  ];
  it.each(malformed)("is refused with %s", (_, change) => {
    const refused = () => open(artifact(1, { ...LINK, regime: { ...REGIME, ...change } }));
    expect(refused).toThrow(ArtifactError);
    expect(refused).toThrow("small.onnx: malformed regime {");
    expect(refused).toThrow('; a gene of "small", codes of it in order and hinges expected');
  });

  const unequal: [string, object][] = [
    ["steps without a regime", { regime: undefined }],
    ["steps where it is null", { regime: null }],
    ["a regime without steps", { inverse: BARE.inverse }],
    ["fewer steps than hinges", { inverse: [...BARE.inverse, "regime"] }],
    ["more steps than hinges", { inverse: [...LINK.inverse, "regime"] }],
    ["hinges of the link for it", { inverse: [...BARE.inverse, "hinge", "regime"] }],
    ["no hinges", { regime: { ...REGIME, hinges: undefined } }],
    ["text in its place", { regime: "a_l" }],
  ];
  it.each(unequal)("is refused with %s", (_, change) => {
    const refused = () => open(artifact(1, { ...LINK, regime: REGIME, ...change }));
    expect(refused).toThrow(ArtifactError);
    expect(refused).toThrow("small.onnx: malformed link {");
  });

  it("is refused without any hinge or step", () => {
    for (const regime of [{ ...REGIME, hinges: [] }, { gene: "a_l", codes: [1] }, {}, [], 0, "a_l"]) {
      const refused = () => open(artifact(1, { ...BARE, regime }));
      expect(refused).toThrow(ArtifactError);
      expect(refused).toThrow("malformed regime");
    }
  });
});
