"use strict";
// The page as a whole: what runs when it is opened, how old it is, and loading it anew.

function age() {
  const place = document.getElementById("age");
  const seconds = (Date.now() - new Date(place.dateTime)) / 1000;
  const [count, name] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"]
    : seconds < 129600 ? [seconds / 3600, "hour"] : [seconds / 86400, "day"];
  const whole = Math.max(0, Math.round(count));
  place.textContent = `${whole} ${name}${whole === 1 ? "" : "s"} ago`;
  place.title = new Date(place.dateTime).toLocaleString();
}

function startFollowing() {
  const box = document.getElementById("follow");
  if (!box) return;
  try {
    box.checked = sessionStorage.getItem("follow") !== "no";
    box.addEventListener("change", () => sessionStorage.setItem("follow", box.checked ? "yes" : "no"));
  } catch { /* a page from disk may have no storage: it follows again after each load */ }
  setInterval(() => { if (box.checked) location.reload(); }, 1000 * Number(box.dataset.every));
}

// What a sweep has nothing for cannot be asked.
function startQuestions() {
  for (const link of document.querySelectorAll("nav a")) {
    const place = document.querySelector(link.getAttribute("href"));
    link.hidden = !place || place.closest("[hidden]") !== null;
  }
}

age();
setInterval(age, 10000);
startCharts();
startTrial();
startTable();
startWhatIf();
startFollowing();
startQuestions();
const asked = /^#trial=(\d+)$/.exec(location.hash);
if (asked) selectTrial(Number(asked[1]));
document.documentElement.dataset.ready = "yes";
