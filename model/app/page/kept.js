// The project that the browser keeps while something is painted, of a tab that may be closed.

const KEY = "multifocus-project";
const place = () => document.getElementById("offer");

// The kept project; null where there is none.
export function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null; // nothing is kept here, or it is damaged
  }
}

export function keep(project) {
  try {
    localStorage.setItem(KEY, JSON.stringify(project));
  } catch { /* no room: it can still be saved as a file */ }
  place().hidden = true;
}

export function forget() {
  localStorage.removeItem(KEY);
  place().hidden = true;
}

// Offers the kept project, if anything was painted in it.
export function offer() {
  const project = kept();
  if (!project?.strokes?.length) return;
  const names = project.frames.map((frame) => frame.file);
  const shown = names.length > 3 ? `${names[0]} to ${names.at(-1)}, ${names.length} frames` : names.join(", ");
  const count = project.strokes.length;
  place().hidden = false;
  place().querySelector("p").textContent =
    `What was painted last is kept: ${count} stroke${count > 1 ? "s" : ""} over ${shown}. Add these frames to go on.`;
}
