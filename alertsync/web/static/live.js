// Makes pages better that work without it: times in the reader's zone, filters at once, and what happens now.
"use strict";
(() => {
  const root = document.documentElement.dataset.root;
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- Times and ages

  const toMinutes = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

  function time(at, exact) {
    const now = new Date();
    const clock = exact ? { ...toMinutes, second: "2-digit" } : toMinutes;
    if (at.toDateString() === now.toDateString()) return at.toLocaleTimeString(undefined, clock);
    const day = { day: "numeric", month: "short" };
    if (at.getFullYear() !== now.getFullYear()) day.year = "numeric";
    return at.toLocaleString(undefined, { ...day, ...clock });
  }

  function age(at) {
    const seconds = Math.trunc((Date.now() - at) / 1000);
    const whole = Math.abs(seconds);
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]]) {
      if (whole >= size) {
        const text = `${Math.trunc(whole / size)} ${unit}`;
        return seconds > 0 ? `${text} ago` : `in ${text}`;
      }
    }
    return "now";
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function tellTimes(within = document) {
    for (const element of all("time[datetime]", within)) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      write(element, "age" in element.dataset ? age(at) : time(at, "exact" in element.dataset));
    }
  }

  // --- The theme

  const themes = [["", "as the system"], ["dark", "dark"], ["light", "light"]];

  function showTheme() {
    const chosen = document.documentElement.dataset.theme ?? "";
    write(document.querySelector("[data-theme-name]"), themes.find(([name]) => name === chosen)[1]);
  }

  function nextTheme() {
    const chosen = document.documentElement.dataset.theme ?? "";
    const place = themes.findIndex(([name]) => name === chosen);
    const [name] = themes[(place + 1) % themes.length];
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    try {
      if (name) localStorage.setItem("theme", name);
      else localStorage.removeItem("theme");
    } catch {
      // Storage may be forbidden: then the choice lasts for this page.
    }
    showTheme();
  }

  // --- Parts of a page, read anew

  async function fetchPage(address, signal) {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  }

  function swap(mine, page, selector) {
    const theirs = page.querySelector(selector);
    if (!mine || !theirs) return;
    const open = all("details[open] > summary", mine).map((one) => one.textContent);
    tellTimes(theirs);
    mine.replaceChildren(...theirs.childNodes);
    for (const name of Object.keys(theirs.dataset)) mine.dataset[name] = theirs.dataset[name];
    for (const one of all("details > summary", mine)) if (open.includes(one.textContent)) one.parentElement.open = true;
  }

  function swapFrame(page) {
    const badge = page.getElementById("badge");
    if (badge && byId("badge")) byId("badge").replaceWith(badge);
    const mine = all(".places a"), theirs = all(".places a", page);
    mine.forEach((link, place) => theirs[place] && link.replaceChildren(...theirs[place].childNodes));
    document.documentElement.dataset.run = page.documentElement.dataset.run ?? "";
    document.title = page.title;
  }

  // --- Filters

  function instant(form) {
    let waiting = 0, reading = null;
    const look = async () => {
      reading?.abort();
      reading = new AbortController();
      const asked = new URLSearchParams(new FormData(form));
      for (const [name, value] of [...asked]) if (!value && name !== "status") asked.delete(name, value);
      const address = `${form.action.split("?")[0]}?${asked}`;
      try {
        const page = await fetchPage(address, reading.signal);
        swap(byId(form.dataset.instant), page, `#${form.dataset.instant}`);
        history.replaceState(null, "", address);
      } catch (error) {
        if (error.name !== "AbortError") form.submit();
      }
    };
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(look, 120);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(waiting);
      look();
    });
    for (const button of all("[data-needless]", form)) button.hidden = true;
  }

  function once(form) {
    const button = form.querySelector("button");
    form.addEventListener("submit", () => {
      button.disabled = true;
      button.textContent = form.dataset.once;
    });
    // A page that the browser kept comes back with the button as it was left.
    const label = button.textContent;
    window.addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      button.disabled = false;
      button.textContent = label;
    });
  }

  // --- What happens now

  const phases = {
    waiting: "Waiting for its turn", reading_irm: "Reading Grafana IRM", reading_alertmanager: "Reading Alertmanager",
    deciding: "Deciding", acting: "Acting", recording: "Writing it down",
  };

  function showProgress(progress) {
    const steps = document.querySelector("[data-steps]");
    if (!steps) return;
    const own = byId("run");
    const shown = progress && (!own || own.dataset.runId === progress.run_id) ? progress : null;
    const rest = document.querySelector("[data-rest]");
    if (rest) {
      rest.hidden = Boolean(shown);
      steps.toggleAttribute("data-idle", !shown);
    }
    if (!shown) return;
    let text = phases[shown.phase] ?? shown.phase, done = null;
    if (shown.actions_total) {
      text += `: ${shown.actions_done} of ${shown.actions_total} actions done`;
      done = shown.actions_done / shown.actions_total;
    } else if (shown.phase === "reading_irm" && shown.pages_total) {
      text += `: page ${shown.pages_read} of ${shown.pages_total}`;
      done = shown.pages_read / shown.pages_total;
    }
    write(steps.querySelector("[data-phase]"), text);
    const bar = steps.querySelector("progress");
    if (done === null) bar.removeAttribute("value");
    else bar.value = Math.round(done * 100);
  }

  let refreshing = false;

  async function showNews() {
    const live = document.querySelector("[data-live]");
    if (!live || refreshing || live.contains(document.activeElement)) return;
    refreshing = true;
    try {
      const page = await fetchPage(location.href);
      swap(live, page, `[data-live="${live.dataset.live}"]`);
      swapFrame(page);
      wire(live);
    } catch {
      // It is tried again when the next run has ended.
    } finally {
      refreshing = false;
    }
  }

  async function showEnd() {
    const own = byId("run");
    try {
      const page = await fetchPage(location.href);
      if (page.getElementById("run")?.hasAttribute("data-going")) return;
      swap(own, page, "#run");
      own.removeAttribute("data-going");
      swapFrame(page);
      wire(own);
      byId("main").focus();
    } catch {
      location.reload();
    }
  }

  function ended(run) {
    if (!run) return;
    if (byId("run")?.hasAttribute("data-going")) showEnd();
    const live = document.querySelector("[data-live]");
    if (live && document.documentElement.dataset.run !== run.run_id) showNews();
    const found = document.querySelector("#found[data-run]");
    const newer = document.querySelector("[data-newer]");
    if (found && newer && found.dataset.run !== run.run_id) newer.hidden = false;
  }

  let stream = null, polling = 0, tag = "";

  function listen() {
    if (document.hidden || stream || polling) return;
    stream = new EventSource(`${root}api/v1/events`);
    stream.addEventListener("progress", (event) => {
      const progress = JSON.parse(event.data);
      showProgress(progress);
      if (!progress && byId("run")?.hasAttribute("data-going")) showEnd();
    });
    stream.addEventListener("run", (event) => ended(JSON.parse(event.data)));
    stream.addEventListener("error", () => {
      // The browser comes again by itself but where it was refused: all places may be taken.
      if (stream?.readyState !== EventSource.CLOSED) return;
      stream = null;
      poll();
    });
  }

  async function poll() {
    if (document.hidden) return;
    const going = byId("run")?.hasAttribute("data-going");
    try {
      const answer = await fetch(`${root}api/v1/status`, { headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.status === 200) {
        tag = answer.headers.get("ETag") ?? "";
        const status = await answer.json();
        showProgress(status.progress);
        ended(status.last_run);
      }
    } catch {
      // The service may restart; the next time tells.
    }
    if (going) showEnd();
    polling = setTimeout(poll, going ? 1000 : 5000);
  }

  function rest() {
    stream?.close();
    stream = null;
    clearTimeout(polling);
    polling = 0;
  }

  function wire(within) {
    for (const form of all("form[data-once]", within)) once(form);
    for (const form of all("form[data-instant]", within)) instant(form);
  }

  tellTimes();
  setInterval(tellTimes, 1000);
  write(document.querySelector("[data-zone]"), zone() === "UTC" ? "Times are UTC." : `Times are in ${zone()}; their titles say UTC.`);
  byId("theme").hidden = false;
  byId("theme").addEventListener("click", nextTheme);
  showTheme();
  wire(document);
  if (document.querySelector("[data-live], [data-going], [data-newer]")) {
    document.addEventListener("visibilitychange", () => (document.hidden ? rest() : listen()));
    window.addEventListener("pagehide", rest);
    listen();
  }
})();
