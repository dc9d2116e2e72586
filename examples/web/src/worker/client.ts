import type { Event, Reply, Requests } from "./protocol";

/** Calls into the worker, as promises. */
export class Client {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(e: Error): void }>();
  #next = 0;
  #failure: Error | null = null;

  constructor(onEvent: (event: Event) => void) {
    this.#worker.onmessage = ({ data }: MessageEvent<Event | Reply>) => {
      if ("event" in data) return onEvent(data);
      const call = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("error" in data) call?.reject(new Error(data.error));
      else call?.resolve(data.result);
    };
    this.#worker.onerror = (error) => {
      error.preventDefault(); // told by the calls that fail
      this.#fail(error.message || "its script cannot be loaded");
    };
    this.#worker.onmessageerror = () => this.#fail("a message of it cannot be read");
  }

  /** Whatever waits for the worker fails, and whatever is asked of it from now on. */
  #fail(why: string): void {
    this.#failure = new Error(`the worker has stopped: ${why}`);
    this.#worker.terminate();
    for (const call of this.#waiting.values()) call.reject(this.#failure);
    this.#waiting.clear();
  }

  call<K extends keyof Requests>(call: K, args: Requests[K]["args"]): Promise<Requests[K]["result"]> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ id, call, args });
    });
  }
}
