// Tries whether this browser trusts the root: what it asks for is answered by TLS, and an answer that is not trusted is none. It
// tries when the page is opened, when somebody comes back to it, and when asked to. By plain HTTP it then goes on by itself: from
// the first page at once, from another when the root has become trusted while it was read. Without scripts there is the link.
const place = document.getElementById("check");
const told = place.querySelector("p");
const button = place.querySelector("button");
const home = document.getElementById("home").href;
const plain = location.protocol === "http:";
let before;

async function check() {
  const now = await fetch(place.dataset.proof, { mode: "no-cors", cache: "no-store" }).then(() => true, () => false);
  if (now !== before) told.textContent = now ? place.dataset.trusted : place.dataset.untrusted;
  place.hidden = false;
  button.hidden = now;
  if (now && plain && (location.pathname === "/" || before === false)) location.replace(home);
  before = now;
}

button.addEventListener("click", check);
window.addEventListener("focus", check);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && check());
check();
