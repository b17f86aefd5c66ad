// Keeps the parts marked data-live as they are on the server, without touching what a person is busy with.
const EVERY = 3000;

async function refresh() {
  if (document.hidden) return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual", cache: "no-store" });
  document.body.toggleAttribute("data-stale", !response.ok);
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next) continue;
    if (settled(next) === settled(part)) {
      const times = next.querySelectorAll("time");
      part.querySelectorAll("time").forEach((time, n) => { time.textContent = times[n].textContent; });
    } else if (!part.contains(document.activeElement)) part.replaceChildren(...next.childNodes);
  }
}

// What is there but for how long ago it was, which always changes.
const settled = (part) => part.innerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1");

if (document.querySelector("[data-live]")) {
  setInterval(() => refresh().catch(() => document.body.setAttribute("data-stale", "")), EVERY);
  document.addEventListener("visibilitychange", () => refresh().catch(() => {}));
}
