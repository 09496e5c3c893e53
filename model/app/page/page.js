// The page: frames, fusion, comparison, retouching and saving. The server does the work; see /openapi.json.

import { Viewer } from "./viewer.js";

const $ = (id) => document.getElementById(id);
const POLL = 250; // milliseconds
const READ = /\.(jpe?g|png|tiff?|bmp|webp|heic|heif|mpo|nef|cr2|cr3|arw|dng|raf|orf|rw2|pef)$/i;
const inOrder = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;

let workplace = null; // its address
let frames = []; // {id, name, sha256, width, height, used}
let result = null; // as the server describes it
let running = false;
let sent = Promise.resolve(); // strokes reach the server one after the other

const viewer = new Viewer($("canvas"), {
  tileUrl: (layer, level, row, column, version) => `${workplace}/tiles/${layer}/${level}/${row}/${column}?v=${version}`,
  onStroke: paint,
  onChange: tellFacts,
});

window.viewer = viewer; // for tests, and for who looks inside

// --- the server ---

async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("the server does not answer: is it still running?");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  const detail = problem.detail ?? answer.statusText;
  throw new Error(typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; "));
}

const post = (address, content) => ask(address, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: content === undefined ? undefined : JSON.stringify(content),
});

function say(text) {
  const line = document.createElement("p");
  line.textContent = text[0].toUpperCase() + text.slice(1);
  $("messages").append(line);
  setTimeout(() => line.remove(), 12000);
}

const trying = (action) => async (...values) => {
  try {
    return await action(...values);
  } catch (problem) {
    say(problem.message);
  }
};

async function begin() {
  workplace ??= `/workplaces/${(await post("/workplaces")).workplace}`;
}

addEventListener("pagehide", () => workplace && navigator.sendBeacon(`${workplace}/end`));
addEventListener("pageshow", (event) => event.persisted && location.reload());

// --- frames ---

const addFiles = trying(async (files) => {
  await begin();
  const projects = files.filter((file) => /\.json$/i.test(file.name));
  const images = files.filter((file) => READ.test(file.name)).sort((a, b) => inOrder(a.name, b.name));
  if (!images.length && !projects.length) throw new Error("nothing here is a photograph that can be read.");
  for (const [number, file] of images.entries()) {
    showProgress(`reading ${file.name}`, number, images.length, false);
    try {
      const address = `${workplace}/frames?name=${encodeURIComponent(file.name)}`;
      frames.push({ ...await ask(address, { method: "PUT", body: file }), used: true });
      listFrames();
    } catch (problem) {
      say(problem.message);
    }
  }
  hideProgress();
  if (projects.length) await openProject(projects[0]);
});

async function openProject(file) {
  let project;
  try {
    project = JSON.parse(await file.text());
  } catch {
    throw new Error(`${file.name} is no project.`);
  }
  if (!Array.isArray(project?.frames)) throw new Error(`${file.name} is no project.`);
  const missing = project.frames.filter((wanted) => !frames.some((frame) => frame.sha256 === wanted.sha256));
  if (missing.length) {
    throw new Error(`drop the frames of the project with it: ${missing.map((one) => one.file).join(", ")}.`);
  }
  const chosen = project.frames.map((wanted) => frames.find((frame) => frame.sha256 === wanted.sha256));
  for (const frame of frames) frame.used = chosen.includes(frame);
  frames = [...chosen, ...frames.filter((frame) => !frame.used)];
  const settings = project.settings ?? {};
  $("strategy").value = settings.strategy ?? "learned";
  $("align").checked = settings.align !== "none";
  $("match").checked = settings.match_exposure !== "none";
  $("crop").checked = settings.crop !== "none";
  $("prefer").value = settings.prefer ?? "";
  listFrames();
  await fuse(project.strokes ?? []);
}

function listFrames() {
  $("frames").replaceChildren(...frames.map(frameItem));
  $("fuse").disabled = running || frames.filter((frame) => frame.used).length < 2;
  markFrames();
}

/** Shows each frame's color in the overlay of the decision map, while that is shown. */
function markFrames() {
  for (const [place, item] of [...$("frames").children].entries()) {
    const number = result ? result.frames.indexOf(frames[place].id) : -1;
    item.classList.toggle("marked", number >= 0 && $("overlay").value === "map");
    if (number >= 0) item.style.setProperty("--mark", result.colors[number]);
  }
}

function frameItem(frame, place) {
  const item = document.createElement("li");
  item.draggable = true;
  item.classList.toggle("out", !frame.used);
  item.innerHTML = `<button type="button" class="picture"><img alt=""></button><span class="name"></span>
    <span class="order"><button type="button">↑</button><button type="button">↓</button></span>`;
  const picture = item.querySelector(".picture");
  picture.setAttribute("aria-pressed", frame.used);
  picture.setAttribute("aria-label", `${frame.name}: ${frame.used ? "used" : "left out"}`);
  picture.title = frame.used ? "Click to leave it out" : "Click to use it";
  picture.onclick = () => { frame.used = !frame.used; listFrames(); };
  item.querySelector("img").src = `${workplace}/frames/${frame.id}/thumbnail`;
  const name = item.querySelector(".name");
  name.textContent = `${place + 1}. ${frame.name}`;
  name.title = `${frame.name}, ${frame.width}×${frame.height}`;
  const [up, down] = item.querySelectorAll(".order button");
  for (const [button, to, word] of [[up, place - 1, "earlier"], [down, place + 1, "later"]]) {
    button.setAttribute("aria-label", `${frame.name}: ${word}`);
    button.disabled = to < 0 || to >= frames.length;
    button.onclick = () => moveFrame(place, to);
  }
  item.ondragstart = (event) => {
    event.dataTransfer.setData("text/x-frame", String(place));
    event.dataTransfer.effectAllowed = "move";
  };
  item.ondragover = (event) => {
    if (!event.dataTransfer.types.includes("text/x-frame")) return;
    event.preventDefault();
    item.classList.add("over");
  };
  item.ondragleave = () => item.classList.remove("over");
  item.ondrop = (event) => {
    const from = event.dataTransfer.getData("text/x-frame");
    if (from === "") return;
    event.preventDefault();
    event.stopPropagation();
    moveFrame(Number(from), place);
  };
  return item;
}

function moveFrame(from, to) {
  frames.splice(to, 0, ...frames.splice(from, 1));
  listFrames();
}

// --- fusing ---

function settings() {
  return {
    strategy: $("strategy").value,
    align: $("align").checked ? "auto" : "none",
    crop: $("crop").checked ? "common" : "none",
    match_exposure: $("match").checked ? "auto" : "none",
    prefer: $("strategy").value === "learned" && $("prefer").value ? $("prefer").value : null,
  };
}

async function fuse(strokes = []) {
  const used = frames.filter((frame) => frame.used);
  await post(`${workplace}/fuse`, { frames: used.map((frame) => frame.id), settings: settings(), strokes });
  running = true;
  listFrames();
  let task;
  try {
    do {
      task = await ask(`${workplace}/progress`);
      showProgress(task.state === "waiting" ? "waiting for another tab" : task.stage, task.done, task.total, true);
      await new Promise((resolve) => setTimeout(resolve, POLL));
    } while (["waiting", "running"].includes(task.state));
  } finally {
    running = false;
    hideProgress();
    listFrames();
  }
  if (task.state === "failed") throw new Error(task.error);
  if (task.state === "done") showResult(await ask(`${workplace}/result`), true);
}

function showProgress(stage, done, total, cancellable) {
  $("progress").hidden = false;
  $("stage").textContent = stage;
  $("bar").max = total || 1;
  $("bar").value = done;
  $("cancel").hidden = !cancellable;
}

function hideProgress() {
  $("progress").hidden = true;
}

function showResult(description, made = false) {
  if (made) {
    const compared = result?.frames[Number(viewer.compare?.slice(6))];
    listComparisons(description);
    compareWith(description.frames.indexOf(compared));
    viewer.base = description.version;
    for (const remark of description.remarks) say(remark);
    for (const id of description.left_out) say(`${nameOf(id)} fits nowhere, and is left out`);
  }
  result = description;
  $("tools").hidden = false;
  $("empty").hidden = true;
  $("save").classList.add("ready");
  $("undo").disabled = !result.strokes;
  $("overlay").querySelector("[value=depth]").disabled = !result.depth;
  if (!result.depth && $("overlay").value === "depth") choose($("overlay"), "");
  viewer.show(result.width, result.height, { result: result.version, other: viewer.base });
  markFrames();
}

const nameOf = (id) => frames.find((frame) => frame.id === id)?.name ?? "a frame";

function listComparisons(description) {
  const options = description.frames.map((id, place) => {
    const option = new Option(`${place + 1}. ${nameOf(id)}`, String(place));
    option.disabled = description.left_out.includes(id);
    return option;
  });
  $("compare").replaceChildren(new Option("nothing", ""), ...options);
}

function compareWith(place) {
  const option = [...$("compare").options].find((one) => one.value === String(place) && !one.disabled);
  choose($("compare"), option ? option.value : "");
}

function choose(select, value) {
  select.value = value;
  select.dispatchEvent(new Event("change"));
}

function tellFacts() {
  if (!result) return;
  const side = viewer.compare === null ? "" : `left: the result, right: ${nameOf(result.frames[viewer.compare.slice(6)])}; `;
  const strokes = result.strokes ? `, ${result.strokes} stroke${result.strokes > 1 ? "s" : ""}` : "";
  $("facts").textContent = `${side}${result.width}×${result.height} pixels at ${Math.round(viewer.view.scale * 100)} %${strokes}`;
}

// --- retouching ---

function setTool(tool) {
  if (tool === "brush" && viewer.compare === null) compareWith(result.frames.findIndex((id) => !result.left_out.includes(id)));
  viewer.tool = tool;
  $("canvas").classList.toggle("brush", tool === "brush");
  $("canvas").style.cursor = "";
  $("move").setAttribute("aria-pressed", tool === "move");
  $("brush").setAttribute("aria-pressed", tool === "brush");
  $("brush-options").hidden = tool !== "brush";
  setRadius();
}

// From 1 pixel to a quarter of the picture, evenly on a scale of ratios.
function setRadius() {
  const most = Math.max(result?.width ?? 1, result?.height ?? 1) / 8;
  viewer.radius = Math.max(1, most ** ($("size").value / 100));
  viewer.redraw();
}

function paint(points) {
  if (viewer.compare === null) return;
  const thinned = points.filter(([x, y], n) => n === 0 || n === points.length - 1
    || Math.hypot(x - points[n - 1][0], y - points[n - 1][1]) >= 0.5);
  const stroke = {
    frame: Number(viewer.compare.slice(6)),
    points: thinned.map((point) => point.map((value) => Math.round(value * 100) / 100)),
    radius: Math.round(viewer.radius * 100) / 100,
    softness: $("softness").value / 100,
  };
  viewer.unfinished.push(stroke);
  sent = sent.then(async () => {
    await trying(async () => showResult(await post(`${workplace}/strokes`, stroke)))();
    viewer.unfinished = viewer.unfinished.filter((one) => one !== stroke);
    viewer.redraw();
  });
}

function undo() {
  sent = sent.then(trying(async () => result?.strokes && showResult(await post(`${workplace}/undo`))));
}

// --- saving ---

const save = trying(async (kind) => {
  $("save").open = false;
  await sent;
  const name = (nameOf(result.frames[0]).replace(/\.[^.]*$/, "").replace(/[-_ ]?\d+$/, "") || "stack") + "-fused";
  let address = `${workplace}/saved?format=${kind}&name=${encodeURIComponent(name)}`;
  if (kind === "project") {
    const content = JSON.stringify(await ask(`${workplace}/project`), null, 2);
    address = URL.createObjectURL(new Blob([`${content}\n`], { type: "application/json" }));
  } else {
    showProgress("writing the file", 0, 0, false);
    const answer = await fetch(address);
    hideProgress();
    if (!answer.ok) throw new Error((await answer.json()).detail);
    address = URL.createObjectURL(await answer.blob());
  }
  const link = document.createElement("a");
  link.href = address;
  link.download = kind === "project" ? `${name}.json` : `${name}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
});

// --- wiring ---

$("open").onclick = () => $("files").click();
$("open-folder").onclick = () => $("folder").click();
for (const input of [$("files"), $("folder")]) {
  input.onchange = () => { addFiles([...input.files]); input.value = ""; };
}
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
addEventListener("drop", async (event) => {
  document.body.classList.remove("dropping");
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [...event.dataTransfer.files];
  const folders = entries.filter((entry) => entry.isDirectory);
  const inside = (await Promise.all(folders.map(filesOf))).flat();
  addFiles([...files.filter((file) => !folders.some((folder) => folder.name === file.name)), ...inside]);
});

async function filesOf(folder) {
  const reader = folder.createReader();
  const files = [];
  for (;;) { // a reader gives a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return files;
    for (const entry of some.filter((one) => one.isFile && !one.name.startsWith("."))) {
      files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    }
  }
}

addEventListener("click", (event) => { if (!$("save").contains(event.target)) $("save").open = false; });
$("fuse").onclick = trying(() => fuse());
$("cancel").onclick = trying(() => post(`${workplace}/cancel`));
for (const button of document.querySelectorAll("[data-save]")) button.onclick = () => save(button.dataset.save);
$("compare").onchange = () => {
  viewer.compare = $("compare").value === "" ? null : `frame-${$("compare").value}`;
  if (viewer.compare === null && viewer.tool === "brush") setTool("move");
  viewer.redraw();
};
$("overlay").onchange = () => {
  viewer.overlay = $("overlay").value || null;
  $("opacity").hidden = !viewer.overlay;
  markFrames();
  viewer.redraw();
};
$("opacity").oninput = () => { viewer.opacity = $("opacity").value / 100; viewer.redraw(); };
$("move").onclick = () => setTool("move");
$("brush").onclick = () => setTool("brush");
$("size").oninput = setRadius;
$("undo").onclick = undo;
$("fit").onclick = () => viewer.fit();
$("full").onclick = () => viewer.full();
$("strategy").onchange = () => { $("prefer").disabled = $("strategy").value !== "learned"; };

addEventListener("keydown", (event) => {
  if (event.key === "Escape") $("save").open = false;
  if (!result || event.target.matches("input, select, textarea")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
    event.preventDefault();
    undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = 60 * viewer.ratio;
  const arrows = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  const keys = {
    b: () => setTool("brush"), m: () => setTool("move"), 0: () => compareWith(-1), f: () => viewer.fit(),
    "+": () => viewer.zoom(1.25), "=": () => viewer.zoom(1.25), "-": () => viewer.zoom(0.8),
    "[": () => changeSize(-5), "]": () => changeSize(5),
  };
  if (/^[1-9]$/.test(event.key)) compareWith(Number(event.key) - 1);
  else if (keys[event.key]) keys[event.key]();
  else if (arrows[event.key] && document.activeElement === $("canvas")) {
    event.preventDefault();
    viewer.pan(...arrows[event.key]);
  }
});

function changeSize(by) {
  $("size").value = Number($("size").value) + by;
  setRadius();
}
