// The live parts: refreshing the overview, countdowns, copy buttons, tabs, hiding keys.
// Every page works without this file; nothing here decides anything.
"use strict";

(() => {
	const all = (selector, root = document) => [...root.querySelectorAll(selector)];
	const make = (tag, css, text = "") => Object.assign(document.createElement(tag), { className: css, textContent: text });
	const live = document.getElementById("live");
	const words = JSON.parse(document.body.dataset.words);
	let serverAhead = 0;
	const CLOSE_SECONDS = 3;

	const serverNow = () => Date.now() / 1000 + serverAhead;
	const setServerNow = (seconds) => { serverAhead = seconds - Date.now() / 1000; };

	// ---- times: the server sends moments, the browser turns them into "12s ago" ----

	const span = (seconds) => {
		const s = Math.max(0, Math.floor(seconds));
		if (s < 60) return `${s}s`;
		if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
		if (s < 86400) return `${Math.floor(s / 3600)}h ${Math.floor(s / 60) % 60}m`;
		return `${Math.floor(s / 86400)}d ${Math.floor(s / 3600) % 24}h`;
	};

	const clock = (seconds) => {
		const s = Math.max(0, Math.ceil(seconds));
		return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
	};

	const setText = (element, text) => {
		if (element.textContent !== text) element.textContent = text;
	};

	const local = (seconds) => new Date(seconds * 1000).toLocaleString();

	const tick = () => {
		const now = serverNow();
		for (const element of all("[data-expires]")) {
			setText(element, clock(Number(element.dataset.expires) - now));
		}
		for (const element of all("[data-ago]")) {
			const moment = Number(element.dataset.ago);
			setText(element, words.ago.replace("{time}", span(now - moment)));
			element.title = local(moment);
		}
		for (const element of all("[data-since]")) {
			const moment = Number(element.dataset.since);
			setText(element, words.for.replace("{time}", span(now - moment)));
			element.title = local(moment);
		}
		// Knocks carry the sender's time: a device whose clock is off by minutes is refused.
		for (const element of all("[data-offset]")) {
			const ahead = Math.round(-serverAhead);
			const text = Math.abs(ahead) < CLOSE_SECONDS ? words.inStep : ahead > 0 ? words.ahead : words.behind;
			element.hidden = false;
			setText(element, text.replace("{time}", span(Math.abs(ahead))));
		}
		for (const element of all("[data-moment]")) {
			const moment = Number(element.dataset.moment);
			setText(element, local(moment));
			element.title = words.ago.replace("{time}", span(now - moment));
		}
	};

	// ---- refreshing the overview ----

	const POLL_MS = 1500;
	let polling = true;
	let timer = 0;

	// What screen readers say of a change: in a region of its own, for countdowns are in the others.
	const saidBy = (place) => place.querySelector("[data-says]")?.dataset.says;

	const replaceRegion = (name, region) => {
		const place = document.getElementById(`live-${name}`);
		if (!place || place.dataset.version === region.version) return;
		const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
		const opened = all("details[open][id]", place).map((item) => item.id);
		const ticks = all("input[type=checkbox][id]", place).map((item) => [item.id, item.checked]);
		const known = saidBy(place);
		// The HTML comes from our own templates, which escape every value in it.
		place.innerHTML = region.html;
		place.dataset.version = region.version;
		const news = saidBy(place);
		if (news && news !== known) setText(document.getElementById("said"), news);
		for (const id of opened) {
			const item = document.getElementById(id);
			if (item) item.open = true;
		}
		for (const [id, ticked] of ticks) {
			const item = document.getElementById(id);
			if (item) item.checked = ticked;
		}
		if (focused) document.getElementById(focused)?.focus();
	};

	const show = (id, visible) => {
		const element = document.getElementById(id);
		if (element) element.hidden = !visible;
	};

	const poll = async () => {
		const query = new URLSearchParams(
			all("[data-version]").map((item) => [item.id.replace("live-", ""), item.dataset.version]));
		const url = live.dataset.poll + (live.dataset.poll.includes("?") ? "&" : "?") + query;
		const answer = await fetch(url, { cache: "no-store", redirect: "error" });
		if (answer.status === 403) {
			polling = false;
			show("session-ended", true);
			return;
		}
		if (!answer.ok) throw new Error(String(answer.status));
		const data = await answer.json();
		setServerNow(data.now);
		for (const [name, region] of Object.entries(data.regions)) replaceRegion(name, region);
		show("poll-failed", false);
		tick();
	};

	const schedule = () => {
		clearTimeout(timer);
		if (polling && !document.hidden) timer = setTimeout(refresh, POLL_MS);
	};

	const refresh = async () => {
		try {
			await poll();
		} catch {
			show("poll-failed", true);
		}
		schedule();
	};

	const startPolling = () => {
		setServerNow(Number(live.dataset.now));
		const button = document.getElementById("polling");
		button.hidden = false;
		button.addEventListener("click", () => {
			polling = !polling;
			button.setAttribute("aria-pressed", String(polling));
			button.classList.toggle("active", polling);
			button.textContent = polling ? words.refreshing : words.paused;
			if (polling) refresh(); else clearTimeout(timer);
		});
		document.addEventListener("visibilitychange", () => {
			if (!document.hidden && polling) refresh(); else clearTimeout(timer);
		});
		schedule();
	};

	// ---- copy buttons; clipboard access needs HTTPS, so there is an older way beside it ----

	const copyText = async (element) => {
		try {
			await navigator.clipboard.writeText(element.textContent);
			return true;
		} catch {
			getSelection().selectAllChildren(element);
			const done = document.execCommand("copy");
			if (done) getSelection().removeAllRanges();
			return done;
		}
	};

	const startCopyButtons = () => {
		for (const button of all("[data-copy]")) {
			const label = button.textContent;
			button.hidden = false;
			button.addEventListener("click", async () => {
				const done = await copyText(document.getElementById(button.dataset.copy));
				button.textContent = done ? words.copied : words.copyByHand;
				setTimeout(() => { button.textContent = label; }, 2000);
			});
		}
	};

	// ---- keys on screen: gone after a minute, and when the tab is left ----

	const startHiding = () => {
		const secret = document.getElementById("secret");
		if (!secret) return;
		const ends = Date.now() + Number(secret.dataset.hideAfter) * 1000;
		const counter = document.querySelector("#hide-note .seconds");
		show("hide-note", true);
		const hide = () => {
			clearInterval(watch);
			secret.remove();
			show("hidden-again", true);
		};
		const watch = setInterval(() => {
			setText(counter, String(Math.max(0, Math.ceil((ends - Date.now()) / 1000))));
			if (Date.now() >= ends) hide();
		}, 250);
		document.addEventListener("visibilitychange", () => { if (document.hidden) hide(); });
		// A page brought back by the Back button would show what was there before.
		addEventListener("pageshow", (event) => { if (event.persisted) hide(); });
	};

	// ---- tabs of a form ----

	const startTabs = () => {
		for (const group of all("[data-tabs]")) {
			const tabs = all("[data-tab]", group);
			const menu = document.createElement("ul");
			menu.className = "cbi-tabmenu";
			menu.setAttribute("role", "tablist");
			const buttons = tabs.map((tab) => makeTab(tab, menu));
			const select = (chosen) => tabs.forEach((tab, index) => {
				tab.hidden = index !== chosen;
				buttons[index].setAttribute("aria-selected", String(index === chosen));
				buttons[index].tabIndex = index === chosen ? 0 : -1;
			});
			buttons.forEach((button, index) => {
				button.addEventListener("click", () => select(index));
				button.addEventListener("keydown", (event) => {
					const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
					if (!step) return;
					const next = (index + step + tabs.length) % tabs.length;
					select(next);
					buttons[next].focus();
				});
			});
			group.classList.add("tabbed");
			group.prepend(menu);
			const faulty = tabs.findIndex((tab) => tab.dataset.faults);
			const named = tabs.findIndex((tab) => `#${tab.id}` === location.hash);
			select(Math.max(0, faulty < 0 ? named : faulty));
		}
	};

	const makeTab = (tab, menu) => {
		const item = document.createElement("li");
		const button = document.createElement("button");
		item.setAttribute("role", "presentation");
		button.type = "button";
		button.setAttribute("role", "tab");
		button.setAttribute("aria-controls", tab.id);
		button.textContent = tab.dataset.tab;
		tab.setAttribute("role", "tabpanel");
		item.append(button);
		menu.append(item);
		countFaults(tab, button);
		return button;
	};

	const countFaults = (tab, button = document.querySelector(`[aria-controls=${tab.id}]`)) => {
		const count = all(".cbi-value-error", tab).length;
		button.querySelector(".bubble")?.remove();
		if (!count) return;
		const bubble = make("span", "bubble", count);
		bubble.title = words.faults.replace("{n}", count);
		button.append(bubble);
	};

	// ---- dialogs: the focus goes in, stays in, and returns to what opened them ----

	const OPENER = "fwknop-opener";
	// Where it leads, and in which words: the same on the page that is made anew.
	const markOf = (element) => [
		element.getAttribute("href") ?? element.getAttribute("formaction") ?? element.form?.action ?? "",
		element.textContent.replace(/\s+/g, " ").trim(),
	].join(" ");

	const startDialog = () => {
		const dialog = document.querySelector("[role=dialog]");
		const close = dialog?.querySelector("[data-close]");
		if (!close) return;
		dialog.setAttribute("aria-modal", "true");
		for (const part of document.body.children) part.inert = !part.contains(dialog);
		if (!dialog.querySelector("[autofocus], [aria-invalid=true]")) {
			dialog.tabIndex = -1;
			dialog.focus();
		}
		document.addEventListener("keydown", (event) => {
			if (event.key === "Escape" && !event.isComposing) close.click();
		});
	};

	// Dialogs are pages, so what opened one is found again by what it is.
	const startReturning = () => {
		if (document.querySelector("[role=dialog]")) return;
		const known = JSON.parse(sessionStorage.getItem(OPENER) ?? "null");
		sessionStorage.removeItem(OPENER);
		if (known?.page === location.pathname && !document.querySelector("[autofocus], [aria-invalid=true]")) {
			const opener = all("main a, main button, header a, [data-submits]").find((item) => markOf(item) === known.mark);
			const menu = opener?.closest("details:not([open])");
			(menu ? menu.querySelector("summary") : opener)?.focus();
		}
		document.addEventListener("click", (event) => {
			const opener = event.target.closest("a, button, [data-submits]");
			if (!opener) return;
			const mark = markOf(opener);
			sessionStorage.setItem(OPENER, JSON.stringify({ page: location.pathname, mark }));
		});
	};

	// ---- a form somebody is filling in: the page ends when nobody asks it for a quarter of an hour ----

	const AWAKE_MS = 300000;
	const SURE_MS = 60000;

	const startKeepingAwake = () => {
		const url = document.body.dataset.awake;
		if (!url) return;
		let asked = Date.now();
		let watch = 0;
		let sure = false;
		// Whether the session lives. After a new login, in another tab, forms have its token.
		const ask = async () => {
			asked = Date.now();
			const answer = await fetch(url, { cache: "no-store", redirect: "error" });
			if (answer.ok) {
				const { csrf } = await answer.json();
				for (const field of all("[name=csrf]")) field.value = csrf;
			}
			show("logged-out", answer.status === 403);
			return answer.status !== 403;
		};
		const keep = async () => {
			if (document.hidden || Date.now() - asked < AWAKE_MS) return;
			try {
				if (!await ask()) clearInterval(watch);
			} catch {
				// It is tried again.
			}
		};
		const touched = (event) => {
			if (watch || event.target.form?.method !== "post") return;
			watch = setInterval(keep, AWAKE_MS / 10);
			document.addEventListener("visibilitychange", keep);
		};
		// What was typed would be lost with a form that leads to the login.
		const send = async (event) => {
			const form = event.target;
			if (sure || form.method !== "post" || !form.closest("main") || Date.now() - asked < SURE_MS) return;
			event.preventDefault();
			event.stopImmediatePropagation();
			const lives = await ask().catch(() => true);
			if (lives) {
				sure = true;
				form.requestSubmit(event.submitter);
				sure = false;
				return;
			}
			const note = document.getElementById("logged-out");
			form.prepend(note);
			note.focus();
			asked = 0;
		};
		document.addEventListener("input", touched);
		document.addEventListener("submit", send, true);
	};

	// ---- lists: a chip for each item, and a row to add one; what is sent is the field they stand for ----

	const lists = new WeakMap();

	// Longer than a click takes: what stands below must not move away from under it.
	const CHECK_MS = 250;

	const makeList = (field) => {
		const marks = field.dataset.list;
		const split = (text) => text.split(new RegExp(`[${marks}]`)).map((item) => item.trim()).filter(Boolean);
		const original = field.value;
		const [first, told] = [split(original), document.getElementById(`e-${field.name}`)?.textContent ?? ""];
		const input = field.cloneNode();
		const [place, row, chips] = [make("div", "cbi-dynlist"), make("div", "add"), make("ul", "")];
		const adder = make("button", "btn cbi-button-add", "+");
		input.removeAttribute("name");
		for (const name of ["id", "list", "data-list", "data-check", "aria-describedby", "aria-invalid"]) field.removeAttribute(name);
		field.type = "hidden";
		adder.type = "button";
		adder.setAttribute("aria-label", words.add);

		const items = () => [...chips.children].map((chip) => chip.firstChild.textContent);
		const isAny = (text) => "any" in field.dataset && text.toUpperCase() === "ANY";
		// Whoever names a network beside ANY means that one, and no longer everywhere.
		const texts = () => {
			const typed = split(input.value);
			if (!typed[0]) return items();
			return typed.some(isAny) ? ["ANY"] : [...new Set([...items().filter((text) => !isAny(text)), ...typed])];
		};
		const sync = () => {
			const now = texts();
			field.value = now.join() === first.join() ? original : now.join(`${marks[0]} `);
			input.placeholder = chips.firstChild ? "" : field.placeholder;
		};
		const changed = () => {
			sync();
			input.dispatchEvent(new Event("listed", { bubbles: true }));
		};
		const makeChip = (text) => {
			const [chip, remove] = [make("li", told.includes(`'${text}'`) ? "bad" : ""), make("button", "", "×")];
			remove.type = "button";
			remove.setAttribute("aria-label", words.remove.replace("{item}", text));
			remove.addEventListener("click", () => {
				const next = chip.nextSibling ?? chip.previousSibling;
				chip.remove();
				(next?.lastChild ?? input).focus();
				changed();
			});
			chip.append(make("span", "", text), remove);
			chips.append(chip);
		};
		const take = () => {
			const now = texts();
			input.value = "";
			chips.replaceChildren();
			now.forEach(makeChip);
			changed();
		};
		input.addEventListener("input", () => {
			sync();
			// Who types on behind a comma has more to say.
			if (marks.includes(input.value.slice(-1)) && split(input.value)[0]) take();
		});
		input.addEventListener("keydown", (event) => {
			if (event.key !== "Enter" || event.isComposing || !input.value.trim()) return;
			event.preventDefault();
			take();
		});
		input.addEventListener("focusout", () => setTimeout(() => { if (input.value) take(); }, CHECK_MS));
		adder.addEventListener("click", () => {
			take();
			input.focus();
		});
		field.before(place);
		row.append(input, adder);
		place.append(chips, row, field);
		input.value = "";
		first.forEach(makeChip);
		sync();
		lists.set(input, {
			texts,
			first: first.join("\n"),
			mark: (faults) => [...chips.children].forEach((chip, i) => chip.classList.toggle("bad", Boolean(faults[i]))),
		});
	};

	// ---- a field that was left: what the server will say of it; it is judged again when sent ----

	const markField = (input, error) => {
		const name = input.id.slice(2);
		const known = document.getElementById(`e-${name}`);
		if (known) setText(known, error);
		else if (error) {
			const note = document.createElement("div");
			note.className = "cbi-error";
			note.id = `e-${name}`;
			note.setAttribute("role", "alert");
			note.textContent = error;
			(document.getElementById(`h-${name}`) ?? input.closest(".cbi-value-field").lastChild).before(note);
		}
		if (known && !error) known.remove();
		const ids = (input.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== `e-${name}`);
		input.setAttribute("aria-describedby", (error ? [`e-${name}`, ...ids] : ids).join(" "));
		if (error) input.setAttribute("aria-invalid", "true"); else input.removeAttribute("aria-invalid");
		input.closest(".cbi-value")?.classList.toggle("cbi-value-error", error !== "");
		const tab = input.closest("[data-tab]");
		if (tab) countFaults(tab);
	};

	const startChecking = () => {
		const url = document.body.dataset.checkUrl;
		const asked = new WeakMap();
		const timers = new WeakMap();
		const left = new WeakSet();
		const textsOf = (input) => lists.get(input)?.texts() ?? [input.value];
		const check = async (input) => {
			const [list, texts] = [lists.get(input), textsOf(input)];
			const value = texts.join("\n");
			if (value === (asked.get(input) ?? list?.first ?? input.defaultValue)) return;
			asked.set(input, value);
			const body = new URLSearchParams([
				["csrf", input.form.elements.csrf.value], ["form", input.dataset.check], ["option", input.id.slice(2)],
				...texts.map((text) => ["value", text])]);
			try {
				const answer = await fetch(url, { method: "POST", body, redirect: "error" });
				const { error, faults } = answer.ok ? await answer.json() : {};
				if (error === undefined || textsOf(input).join("\n") !== value) return;
				list?.mark(faults);
				markField(input, error);
			} catch {
				// It is said when the form is sent.
			}
		};
		const soon = (event) => {
			const input = event.target;
			if (!input.dataset.check) return;
			// Nobody is told before he has finished; who comes back is told as he types.
			if (event.type !== "input") left.add(input);
			else if (!left.has(input) && !input.ariaInvalid) return;
			clearTimeout(timers.get(input));
			timers.set(input, setTimeout(check, CHECK_MS, input));
		};
		if (url) for (const type of ["focusout", "input", "listed"]) document.addEventListener(type, soon);
	};

	// ---- after Save & Apply: a request that gets through is the confirmation ----

	const startConfirming = () => {
		const form = document.querySelector("form[data-confirm]");
		if (!form) return;
		let leaving = false;
		addEventListener("beforeunload", () => { leaving = true; });
		show("confirming", true);
		const ends = Date.now() + Number(form.dataset.left) * 1000;
		const confirm = async () => {
			try {
				const body = new URLSearchParams(new FormData(form));
				const answer = await fetch(form.action, { method: "POST", body, redirect: "manual", keepalive: true });
				if (answer.type === "opaqueredirect") {
					if (!leaving) location.replace(form.dataset.confirm);
					return;
				}
			} catch {
				if (Date.now() > ends) {
					show("waiting", false);
					show("unconfirmed", false);
					show("unreached", true);
				}
			}
			setTimeout(confirm, 1000);
		};
		// Kept alive: it gets through even if somebody is already on the way to another page.
		confirm();
	};

	// ---- small things ----

	// Whoever fills in what belongs to a way to choose, chooses it.
	const startWays = () => {
		for (const way of all("[data-way]")) {
			const choose = (event) => {
				if (event.target.type !== "radio") way.querySelector("input[type=radio]").checked = true;
			};
			for (const type of ["input", "change"]) way.addEventListener(type, choose);
		}
	};

	// Rows of a table, or fields by group: hidden while they don't have what was typed in them.
	const startSearch = () => {
		for (const input of all("[data-filter]")) {
			const place = document.getElementById(input.dataset.filter);
			const items = all("tbody tr, [data-item]", place);
			const groups = all("[data-group]", place);
			const folded = new Set(groups.filter((group) => group.open === false));
			const texts = items.map((item) => item.textContent.toLowerCase());
			const search = () => {
				const words = input.value.toLowerCase().split(/\s+/);
				items.forEach((item, i) => { item.hidden = !words.every((word) => texts[i].includes(word)); });
				for (const group of groups) {
					group.hidden = all("[data-item]", group).every((item) => item.hidden);
					if (folded.has(group)) group.open = input.value !== "";
				}
				for (const note of all("[data-nothing]", place)) note.hidden = items.some((item) => !item.hidden);
			};
			if (input.parentElement.classList.contains("search")) input.parentElement.hidden = false;
			input.addEventListener("input", search);
			// All is here already: Enter need not fetch the page anew and lose what was typed.
			input.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
			if (input.value) search();
		}
	};

	// "⋯" opens more buttons; a press elsewhere, or Esc, closes them.
	const startMenus = () => {
		const close = (except) => {
			for (const menu of all("details.menu[open]")) if (menu !== except) menu.open = false;
		};
		document.addEventListener("click", (event) => close(event.target.closest("details.menu")));
		document.addEventListener("keydown", (event) => {
			const row = event.altKey && event.target.closest("tr");
			const mover = row && all("[data-move]:enabled", row).find((item) => item.dataset.move === event.key);
			if (mover) {
				event.preventDefault();
				mover.focus();
				mover.click();
			} else if (event.key === "Escape") {
				event.target.closest("details.menu")?.querySelector("summary").focus();
				close();
			}
		});
	};

	// Fields that say nothing while another is off or empty, unless something stands in them.
	const startNeeds = () => {
		const says = (input) => Boolean(input.type === "checkbox" ? input.checked : input.value);
		for (const row of all("[data-needs]")) {
			const needed = document.getElementById(row.dataset.needs);
			if (!needed) continue;
			const look = () => {
				row.hidden = !says(needed) && !row.querySelector(".cbi-error, li") && !all("input, select", row).some(says);
			};
			needed.addEventListener("input", look);
			look();
		}
	};

	const startDismissing = () => {
		for (const button of all("[data-dismiss]")) {
			button.hidden = false;
			button.addEventListener("click", () => button.closest(".alert-message").remove());
		}
	};

	// A box above a list ticks what is in sight of it.
	const startTicking = () => {
		for (const box of all("[data-ticks]")) {
			box.hidden = false;
			box.addEventListener("change", () => {
				for (const tick of all(`input[type=checkbox][form=${box.dataset.ticks}]`)) {
					if (tick.checkVisibility()) tick.checked = box.checked;
				}
			});
		}
	};

	const startServerName = () => {
		const input = document.getElementById("server");
		if (!input) return;
		const showName = () => {
			const typed = input.value.trim();
			const name = /^[A-Za-z0-9._-]+$/.test(typed) ? typed : input.placeholder;
			for (const place of all("[data-server]")) setText(place, name);
			for (const button of all("[data-copy=copy-server]")) button.disabled = name === input.placeholder;
		};
		input.addEventListener("input", showName);
		showName();
	};

	// A box whose tick is all there is to say: its form is sent at once.
	const startSubmitting = () => {
		document.addEventListener("change", (event) => {
			if ("submits" in event.target.dataset) event.target.form.requestSubmit();
		});
	};

	const startBusyButtons = () => {
		document.addEventListener("submit", (event) => {
			const button = event.submitter;
			// Only the looks: a disabled button would not send its own name and value.
			// A download leaves the page as it is, so nothing would end the waiting.
			if (button?.classList.contains("btn") && !("download" in button.dataset)) button.classList.add("busy");
		});
		addEventListener("pageshow", () => all(".btn.busy").forEach((b) => b.classList.remove("busy")));
	};

	startDialog();
	startReturning();
	all("[data-list]").forEach(makeList);
	startTabs();
	startCopyButtons();
	startHiding();
	startSearch();
	startWays();
	startMenus();
	startNeeds();
	startDismissing();
	startTicking();
	startServerName();
	startSubmitting();
	startBusyButtons();
	startConfirming();
	startKeepingAwake();
	startChecking();
	const told = document.querySelector("[data-now]");
	if (told) setServerNow(Number(told.dataset.now));
	if (live) startPolling();
	tick();
	setInterval(tick, 1000);
	document.querySelector("[aria-invalid=true]")?.focus();
})();
