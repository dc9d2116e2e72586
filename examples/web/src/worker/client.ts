import type { Event, Reply, Requests } from "./protocol";

/** Calls into the worker, as promises. */
export class Client {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(e: Error): void }>();
  #next = 0;

  constructor(onEvent: (event: Event) => void) {
    this.#worker.onmessage = ({ data }: MessageEvent<Event | Reply>) => {
      if ("event" in data) return onEvent(data);
      const call = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("error" in data) call?.reject(new Error(data.error));
      else call?.resolve(data.result);
    };
    this.#worker.onerror = (error) => {
      for (const call of this.#waiting.values()) call.reject(new Error(error.message));
      this.#waiting.clear();
    };
  }

  call<K extends keyof Requests>(call: K, args: Requests[K]["args"]): Promise<Requests[K]["result"]> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#worker.postMessage({ id, call, args });
    });
  }
}
