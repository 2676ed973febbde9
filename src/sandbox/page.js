"use strict";
(() => {
  const EVERY = 1000;
  const SECONDS = 60;
  const HEIGHT = 64;
  const $ = id => document.getElementById(id);
  const number = value => value.toLocaleString("en-US");
  // Characters that show nothing, or change the order of others, would hide what a value is.
  const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
  const visible = text => text.replace(HIDDEN, one => "\\u{" + one.codePointAt(0).toString(16) + "}");

  let chosen = null;
  let search = "";
  let page = 1;
  // What is shown, so that only what changed is drawn again.
  let shownContacts = "";
  let shownAnswers = "";
  let timer = null;

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function readAddress() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const channel = parseInt(wanted.get("channel"), 10);
    chosen = channel >= 0 ? channel : null;
    search = wanted.get("search") || "";
    page = Math.max(1, parseInt(wanted.get("page"), 10) || 1);
    $("search").value = search;
  }

  function writeAddress() {
    const wanted = new URLSearchParams();
    if (chosen !== null) wanted.set("channel", chosen);
    if (search) wanted.set("search", search);
    if (page > 1) wanted.set("page", page);
    history.replaceState(null, "", "#" + wanted);
  }

  async function json(path) {
    const answer = await fetch(path, { cache: "no-store" });
    if (!answer.ok) throw new Error(path + ": " + answer.status);
    return answer.json();
  }

  function drawSeconds(seconds) {
    const total = second => second.counted + second.refused + second.other;
    const most = Math.max(1, ...seconds.map(total));
    const bars = [];
    seconds.forEach((second, age) => {
      let top = HEIGHT;
      for (const kind of ["counted", "refused", "other"]) {
        if (!second[kind]) continue;
        const height = second[kind] / most * (HEIGHT - 2);
        top -= height;
        const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        const place = { x: (SECONDS - 1 - age) * 10 + 1, y: top, width: 8, height, class: kind };
        for (const [key, value] of Object.entries(place)) bar.setAttribute(key, value);
        bars.push(bar);
      }
    });
    $("seconds").replaceChildren(...bars);
    $("most").textContent = seconds.some(total) ? "up to " + number(most) + " in a second" : "";
  }

  function drawMinute(overview) {
    const calls = overview.channel;
    const { rate } = overview;
    const counted = calls ? calls.counted : 0;
    $("counted").textContent = number(counted);
    $("limit").textContent = rate ? "of " + number(rate) + " a minute" : "calls; the sandbox has no limit";
    const meter = $("meter");
    meter.hidden = !rate;
    meter.setAttribute("aria-valuemax", rate);
    meter.setAttribute("aria-valuenow", counted);
    meter.classList.toggle("full", counted >= rate);
    meter.firstElementChild.style.width = rate ? Math.min(100, counted / rate * 100) + "%" : "0";
    const kind = overview.window === "fixed" ? "fixed minute" : "sliding minute";
    const limiter = calls && calls.limiter;
    let text = "";
    if (rate && limiter && limiter.used) {
      const wait = Math.ceil(limiter.frees_in_ms / 1000);
      const then = overview.window === "fixed" ? "a new minute starts in " : "the oldest call leaves it in ";
      text = "The sandbox counts " + number(limiter.used) + " of " + number(rate) + " in its " + kind + "; " + then + wait + " s.";
    } else if (rate) {
      text = "The sandbox counts a " + kind + " for each token.";
    }
    $("window").textContent = text;
    $("refused").textContent = calls && calls.refused ? number(calls.refused) + " refused with 429 in the last minute." : "";
    drawSeconds(calls ? calls.seconds : []);
  }

  function drawChannels(overview) {
    const select = $("channel");
    $("channels").hidden = overview.channels.length < 2;
    const options = overview.channels.map(channel => [String(channel.number), visible(channel.token) + " (" + number(channel.contacts) + ")"]);
    const found = [...select.options].map(option => [option.value, option.textContent]);
    if (JSON.stringify(options) !== JSON.stringify(found)) {
      select.replaceChildren(...options.map(([value, text]) => {
        const option = element("option", "", text);
        option.value = value;
        return option;
      }));
    }
    if (overview.channel) select.value = String(overview.channel.number);
  }

  function status(call) {
    if (call.status === null) return ["none", "bad"];
    if (call.status === 429) return ["429", "throttled"];
    return [String(call.status), call.status < 300 ? "good" : "bad"];
  }

  // A cell with a second, smaller line.
  function doubleCell(className, text, small) {
    const cell = element("td", className, text);
    if (small) cell.append(element("small", "", small));
    return cell;
  }

  function drawAnswers({ answers, channels }) {
    const several = channels.length > 1;
    const text = several + JSON.stringify(answers);
    if (text === shownAnswers) return;
    shownAnswers = text;
    $("silent").hidden = answers.length > 0;
    $("answers").replaceChildren(...answers.map(call => {
      const [code, kind] = status(call);
      const row = element("tr", kind === "throttled" ? "throttled" : "");
      const cell = element("td");
      cell.append(element("span", "code " + kind, code));
      const name = call.kind ? call.kind.replaceAll("_", " ") : "not in the API";
      const token = several || !call.token ? "token " + (visible(call.token) || "missing") : "";
      row.append(
        element("td", "time", new Date(call.at).toLocaleTimeString("en-GB")),
        doubleCell("", name, call.fault ? "fault " + call.fault.replaceAll("_", " ") : ""),
        cell,
        doubleCell("id", call.contact === null ? "" : visible(call.contact), token),
      );
      return row;
    }));
  }

  function contactRow(contact) {
    const row = element("tr");
    const id = doubleCell("id", visible(contact.id), new Date(contact.created_at).toLocaleString("en-GB"));
    const fields = element("td");
    for (const [name, value] of contact.fields) {
      const field = element("span", "field");
      field.append(element("span", "", visible(name) + " "));
      field.append(value === null ? element("span", "null", "null") : visible(value));
      fields.append(field, " ");
    }
    const tags = element("td");
    for (const tag of contact.tags) tags.append(element("span", "tag", visible(tag)), " ");
    row.append(id, fields, tags);
    return row;
  }

  function drawContacts(found) {
    $("list").replaceChildren(...found.contacts.map(contactRow));
    $("matching").textContent = search ? number(found.matching) + " found" : "newest first";
    $("none").hidden = found.matching > 0;
    $("none").textContent = search ? "No contact matches." : "No contacts yet. Run a sync with this URL and any token.";
    $("pages").hidden = found.pages < 2;
    $("page").textContent = "page " + number(found.page) + " of " + number(found.pages);
    $("first").disabled = $("previous").disabled = found.page <= 1;
    $("next").disabled = $("last").disabled = found.page >= found.pages;
    $("last").dataset.page = found.pages;
  }

  async function refreshContacts(channel) {
    if (!channel) return drawContacts({ contacts: [], matching: 0, page: 1, pages: 1 });
    const wanted = new URLSearchParams({ channel: channel.number, search, page });
    const key = wanted + "#" + channel.changes;
    if (key === shownContacts) return;
    const found = await json("/_sandbox/page?" + wanted);
    if (found.page > found.pages) {
      page = found.pages;
      writeAddress();
      return refreshContacts(channel);
    }
    drawContacts(found);
    shownContacts = key;
  }

  async function refresh() {
    clearTimeout(timer);
    try {
      const overview = await json("/_sandbox/overview" + (chosen === null ? "" : "?channel=" + chosen));
      $("url").textContent = overview.url;
      document.body.dataset.now = overview.now_ms;
      $("contacts").textContent = number(overview.channel ? overview.channel.contacts : 0);
      $("calls").textContent = number(overview.calls);
      $("throttled").textContent = number(overview.throttled);
      drawChannels(overview);
      drawMinute(overview);
      drawAnswers(overview);
      await refreshContacts(overview.channel);
      $("status").textContent = "live";
      $("status").className = "live";
    } catch (error) {
      $("status").textContent = "the sandbox does not answer";
      $("status").className = "lost";
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(refresh, EVERY);
  }

  function show(wanted) {
    page = wanted;
    writeAddress();
    refresh();
  }

  $("find").addEventListener("submit", event => event.preventDefault());
  $("search").addEventListener("input", () => {
    search = $("search").value.trim();
    show(1);
  });
  $("channel").addEventListener("change", () => {
    chosen = Number($("channel").value);
    show(1);
  });
  $("first").addEventListener("click", () => show(1));
  $("previous").addEventListener("click", () => show(page - 1));
  $("next").addEventListener("click", () => show(page + 1));
  $("last").addEventListener("click", () => show(Number($("last").dataset.page)));
  addEventListener("hashchange", () => {
    readAddress();
    refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
  readAddress();
  refresh();
})();
