import { find } from "./dom";
import { formatRate } from "./format";
import type { Client } from "./worker/client";

/** Keep a button from being pressed again before what it has begun ends, well or badly. */
export async function whileDisabled(button: HTMLButtonElement, work: Promise<void>): Promise<void> {
  button.disabled = true;
  await work.finally(() => (button.disabled = false));
}

export async function copy(button: HTMLButtonElement, text: string): Promise<void> {
  const label = button.dataset.label ?? button.textContent ?? "";
  button.dataset.label = label;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed here";
  }
  setTimeout(() => (button.textContent = label), 1500);
}

export async function verify(client: Client, engine: "pure" | "ort-web"): Promise<void> {
  const output = find("verdict");
  output.textContent = "verifying …";
  output.className = "";
  try {
    const v = await client.call("verify", { engine });
    const what = `${v.targets} targets × ${v.vectors.toLocaleString("en")} golden vectors`;
    const name = engine === "pure" ? "this page" : "ONNX Runtime Web";
    const good = v.differing === 0 && v.values > 0;
    output.className = good ? "good" : "bad";
    output.textContent = good
      ? `✓ ${what}: all ${v.values.toLocaleString("en")} values equal to the last bit (${name}, ${v.seconds.toFixed(1)} s, ${formatRate(v.rate)} predictions/s)`
      : `✗ ${v.differing.toLocaleString("en")} of ${v.values.toLocaleString("en")} values differ (${name})`;
    output.dataset.rate = String(Math.round(v.rate));
  } catch (error) {
    output.className = "bad";
    const { message } = error as Error;
    // Golden vectors and ONNX Runtime Web come down when they are first asked for.
    const why = "nothing was compared, as what it takes could not be fetched; once it has been, this works offline, too: ";
    output.textContent = `✗ ${/fetch/.test(message) ? why : ""}${message}`;
  }
}
