// Adds what is nice to have: one tab per language, a button that copies, this server's own address in samples, a menu
// that opens in place.
"use strict";

const choiceKey = "eggapi-docs-language";

function remembered() {
  try {
    return localStorage.getItem(choiceKey);
  } catch {
    return null;
  }
}

function remember(language) {
  try {
    localStorage.setItem(choiceKey, language);
  } catch {
    // Without storage the choice holds for this page.
  }
}

/** Shows one language in every group that has it. */
function choose(language) {
  for (const tab of document.querySelectorAll(".tabs button")) {
    const group = [...tab.parentElement.children];
    if (!group.some((other) => other.textContent === language)) continue;
    const chosen = tab.textContent === language;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !chosen;
  }
}

/** Keeps a tab where it is on the screen while the samples above it change their length. */
function chooseFrom(tab) {
  const before = tab.getBoundingClientRect().top;
  choose(tab.textContent);
  remember(tab.textContent);
  tab.focus({ preventScroll: true });
  window.scrollBy(0, tab.getBoundingClientRect().top - before);
}

function moveFocus(event) {
  const tabs = [...event.currentTarget.children];
  const at = tabs.indexOf(document.activeElement);
  const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  chooseFrom(tabs[(to + tabs.length) % tabs.length]);
}

function makeTabs(group, number) {
  const list = document.createElement("div");
  list.className = "tabs";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Language");
  [...group.children].forEach((sample, i) => {
    sample.id = `sample-${number}-${i}`;
    const tab = document.createElement("button");
    tab.type = "button";
    tab.id = `${sample.id}-tab`;
    tab.textContent = sample.querySelector(".caption").textContent;
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", sample.id);
    tab.addEventListener("click", () => chooseFrom(tab));
    sample.setAttribute("role", "tabpanel");
    sample.setAttribute("aria-labelledby", tab.id);
    list.append(tab);
  });
  list.addEventListener("keydown", moveFocus);
  group.prepend(list);
}

function addCopy(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent);
    } catch {
      getSelection().selectAllChildren(block.querySelector("pre"));
      done = "Selected";
    }
    button.textContent = done;
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  block.append(button);
}

/** Puts this server's address where samples say https://egg.example. */
function nameServer(block) {
  const texts = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    text.data = text.data.replaceAll("https://egg.example", location.origin);
  }
}

/** On a narrow screen: opens and closes the menu where the reader is. Without scripts it opens as the target of its link. */
function toggleMenu(event) {
  event.preventDefault();
  const pages = document.getElementById("pages");
  const opened = pages.classList.toggle("opened");
  document.querySelector(".menu").setAttribute("aria-expanded", String(opened));
  if (opened) pages.querySelector("a").focus();
  else document.querySelector(".menu").focus();
}

for (const control of document.querySelectorAll(".menu, .close a")) control.addEventListener("click", toggleMenu);
document.querySelectorAll("article code").forEach(nameServer);
document.querySelectorAll(".code:not(.answer)").forEach(addCopy);
document.querySelectorAll(".samples").forEach(makeTabs);
document.querySelectorAll(".tabs").forEach((tabs) => choose(tabs.firstElementChild.textContent));
if (remembered()) choose(remembered());
