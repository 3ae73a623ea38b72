// Loads the page again while its run goes on, and leaves the reader where they were.
"use strict";
{
  const every = 1000 * Number(document.body.dataset.refresh);
  const folds = () => [...document.querySelectorAll("details")];
  // By section and place in it: a later page has more in it, but nothing before it.
  const name = (fold) => {
    const section = fold.closest("section");
    return `${section.id} ${[...section.querySelectorAll("details")].indexOf(fold)}`;
  };

  const before = history.state ?? {};
  if (before.open !== undefined) {
    for (const fold of folds()) fold.open = before.open.includes(name(fold));
    scrollTo({ left: before.x, top: before.y, behavior: "instant" });
  }

  setInterval(() => {
    const reading = getSelection().toString() !== ""; // what is marked would be lost
    if (document.hidden || reading) return;
    const open = folds().filter((fold) => fold.open).map(name);
    history.replaceState({ open, x: scrollX, y: scrollY }, "");
    location.reload();
  }, every);
}
