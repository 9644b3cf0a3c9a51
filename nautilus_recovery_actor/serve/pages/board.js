"use strict";
// Ages count on by themselves; what changes comes as server-sent events. A page that hears nothing
// says so, and shows nothing as safe.
(() => {
  const SILENT_MS = 5000;
  const body = document.body;
  const cut = document.getElementById("cut");
  let version = body.dataset.version;
  let heardAt = performance.now();
  let ahead = 0; // How far the server's clock is ahead of this one (ms)
  let source = null;

  const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const age = (ms) => {
    let rest = Math.max(0, Math.floor((Date.now() + ahead - ms) / 1000));
    const parts = [];
    for (const [unit, size] of UNITS) {
      const count = Math.floor(rest / size);
      rest -= count * size;
      if (count) parts.push(`${count} ${unit}`);
    }
    return parts.slice(0, 2).join(" ") || "now";
  };
  const tick = () => {
    for (const one of document.querySelectorAll("time[data-ms]")) {
      const text = age(Number(one.dataset.ms));
      if (one.textContent !== text) one.textContent = text;
    }
    if (performance.now() - heardAt > SILENT_MS && !rests()) lose();
  };
  // A browser opens six connections to one server at most: a tab that nobody sees leaves its own to
  // others, but for the board, whose icon and title are seen
  const rests = () => document.hidden && body.dataset.page !== "board";

  const lose = () => {
    body.classList.add("cut");
    if (cut) cut.hidden = false;
    icon("GRAY");
    if (!document.title.startsWith("Not connected")) document.title = `Not connected: ${document.title}`;
    connect();
  };
  const hear = () => {
    heardAt = performance.now();
    body.classList.remove("waiting", "cut");
    if (cut) cut.hidden = true;
    document.title = document.title.replace(/^Not connected: /, "");
  };
  const icon = (light) => {
    const link = document.querySelector('link[rel="icon"]');
    const href = `/static/${light}.svg`;
    if (link && link.getAttribute("href") !== href) link.setAttribute("href", href);
  };

  const places = () => {
    const found = new Map();
    for (const one of document.querySelectorAll("[data-key]")) found.set(one.dataset.key, one);
    return found;
  };
  const made = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  };
  const beat = (found, beats) => {
    for (const [key, [heartbeat, proof]] of Object.entries(beats)) {
      const place = found.get(key);
      if (!place) continue;
      place.dataset.beat = heartbeat ?? "";
      place.dataset.proof = proof ?? "";
    }
  };
  // What was rendered anew has its times where they were
  const fill = (place) => {
    for (const one of place.querySelectorAll("time[data-is]")) {
      const ms = one.closest("[data-key]").dataset[one.dataset.is];
      if (ms) {
        one.dataset.ms = ms;
        one.title = `${new Date(Number(ms)).toISOString().slice(0, 19).replace("T", " ")} UTC`;
      } else {
        one.removeAttribute("data-ms");
        one.textContent = "";
      }
    }
  };

  const onBoard = (change) => {
    const table = document.getElementById("traders");
    const found = places();
    for (const [key, html] of Object.entries(change.parts)) {
      if (key === "head" || key === "counts") {
        const old = found.get(key);
        const kept = new Map([...old.querySelectorAll("[data-key]")].map((one) => [one.dataset.key, one.dataset.beat]));
        old.innerHTML = html;
        for (const one of old.querySelectorAll("[data-key]")) {
          one.dataset.beat = kept.get(one.dataset.key) ?? "";
          found.set(one.dataset.key, one);
        }
        continue;
      }
      const fresh = made(html);
      const old = found.get(key);
      if (old) {
        fresh.dataset.beat = old.dataset.beat ?? "";
        fresh.dataset.proof = old.dataset.proof ?? "";
        old.replaceWith(fresh);
      } else {
        table.append(fresh);
      }
      found.set(key, fresh);
    }
    if (change.order) {
      const wanted = new Set(change.order);
      for (const one of [...table.tBodies]) if (!wanted.has(one.dataset.key)) one.remove();
      let last = table.tHead;
      for (const key of change.order) {
        const one = found.get(key);
        if (!one) continue;
        if (last.nextElementSibling !== one) last.after(one);
        last = one;
      }
    }
    beat(found, change.beats);
    for (const key of new Set([...Object.keys(change.parts), ...Object.keys(change.beats)])) {
      const place = found.get(key);
      if (place) fill(place);
    }
    document.title = change.title;
    icon(change.light);
    find();
  };

  const onTrader = (change) => {
    const main = document.querySelector("main[data-key]");
    beat(new Map([[main.dataset.key, main]]), change.beats);
    fill(main);
    if (change.parts[main.dataset.key] !== undefined && !body.contains(document.activeElement?.closest("form"))) reload();
    icon(main.dataset.light);
  };
  const reload = async () => {
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const old = document.querySelector("main");
      const fresh = page.querySelector("main");
      fresh.dataset.beat = old.dataset.beat ?? "";
      fresh.dataset.proof = old.dataset.proof ?? "";
      old.replaceWith(fresh);
      document.title = page.title;
      fill(fresh);
      tick();
    } catch { /* The stream says that the server is gone */ }
  };

  const take = (event) => {
    const change = JSON.parse(event.data);
    ahead = change.now - Date.now();
    version = change.v;
    if (body.dataset.page === "board") onBoard(change);
    else if (body.dataset.page === "trader") onTrader(change);
    hear();
    tick();
  };
  let triedAt = -Infinity;
  const connect = () => {
    if (source && source.readyState !== EventSource.CLOSED && performance.now() - triedAt < SILENT_MS) return;
    if (performance.now() - triedAt < 1000) return;
    triedAt = performance.now();
    if (source) source.close();
    const main = document.querySelector("main[data-key]");
    const query = new URLSearchParams({ v: version });
    if (body.dataset.page !== "board") query.set("key", main ? main.dataset.key : "-");
    source = new EventSource(`/events?${query}`);
    source.onmessage = take;
    source.onerror = () => { lose(); };
  };
  document.addEventListener("visibilitychange", () => {
    if (rests()) {
      source.close();
    } else if (source.readyState === EventSource.CLOSED) {
      body.classList.add("cut");
      heardAt = performance.now();
      triedAt = -Infinity;
      connect();
    }
  });

  const input = document.getElementById("find");
  const find = () => {
    if (!input) return;
    const text = input.value.trim().toLowerCase();
    let shown = 0;
    for (const row of document.querySelectorAll("#traders .row")) {
      row.hidden = text !== "" && !row.textContent.toLowerCase().includes(text);
      if (!row.hidden) shown += 1;
    }
    document.getElementById("none").hidden = shown > 0 || text === "";
  };
  if (input) input.addEventListener("input", find);

  setInterval(tick, 1000);
  connect();
})();
