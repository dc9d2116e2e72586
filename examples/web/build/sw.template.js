// Keeps the page and its artifacts for offline use. Written by the build: see build/offline.ts.
const CACHE = `anb-${"VERSION"}`;
const FILES = ["FILES"];

self.addEventListener("install", (event) => {
  // What the page has read a moment ago is asked about, not sent again, where the server can tell.
  const requests = FILES.map((file) => new Request(file, { cache: "no-cache" }));
  const keep = caches.open(CACHE).then((cache) => cache.addAll(requests));
  event.waitUntil(keep.then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const clean = caches
    .keys()
    .then((names) =>
      Promise.all(
        names.filter((n) => n.startsWith("anb-") && n !== CACHE).map((n) => caches.delete(n)),
      ),
    );
  event.waitUntil(clean.then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== self.location.origin) return;
  event.respondWith(
    caches.open(CACHE).then(async (cache) => {
      // Some servers answer "Vary: Origin", though one origin is all there is.
      const kept = await cache.match(request, { ignoreSearch: true, ignoreVary: true });
      if (kept) return kept;
      const response = await fetch(request);
      if (response.ok && response.type === "basic") cache.put(request, response.clone());
      return response;
    }),
  );
});
