import { describe, expect, it } from "vitest";
import { ENGINES, load } from "../src/index.js";
import { bytes, catalog, goldenBytes, goldenCodes, nGolden } from "./artifacts.js";

describe.each(ENGINES)("%s", (engine) => {
  it.each(catalog.targets.map((t) => t.name))("%s: every golden bit", async (target) => {
    const surrogate = await load(target, { engine, artifacts: catalog });
    const found = await surrogate.query(goldenCodes, { members: true });
    expect(found.mean.length).toBe(nGolden);
    for (const name of ["mean", "std", "members"] as const) {
      expect(Buffer.compare(bytes(found[name]!), goldenBytes(target, name)), name).toBe(0);
    }
    await surrogate.dispose();
  });

  it("does not depend on the batch, and answers an empty one", async () => {
    const surrogate = await load("accuracy", { engine, artifacts: catalog });
    const whole = await surrogate.query(goldenCodes);
    for (const rows of [0, 1, 7, 257, 2049]) {
      const part = await surrogate.query(goldenCodes.subarray(0, rows * 28));
      expect(part.mean).toEqual(whole.mean.subarray(0, rows));
      expect(part.std).toEqual(whole.std.subarray(0, rows));
    }
    const single = await surrogate.queryOne(goldenCodes.slice(0, 28));
    expect(single.mean).toBe(whole.mean[0]);
    expect(single.std).toBe(whole.std[0]);
    await surrogate.dispose();
    await expect(surrogate.query([])).rejects.toThrow("disposed of");
  });

  it("answers concurrent queries", async () => {
    const surrogate = await load("accuracy", { engine, artifacts: catalog });
    const [a, b] = await Promise.all([surrogate.query([0, 1, 2]), surrogate.query([2n])]);
    expect(b.mean[0]).toBe(a.mean[2]);
    await surrogate.dispose();
  });
});
