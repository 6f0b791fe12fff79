// Displays the dictionary of `results.py`: the image with the colors of its classes at
// an adjustable opacity, the classes with their shares, and a tooltip with class and
// confidence of a pixel. `element`, `props` and `watch` are defined by Gradio.
let shown = null;

const find = (selector) => element.querySelector(selector);

async function decode(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

function pixels(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

function gray(image) {
  return pixels(image).data.filter((_, index) => index % 4 === 0);
}

function paint(labels, classes, width, height) {
  const colors = new Map(classes.map((entry) => [entry.id, entry.color]));
  const layer = new ImageData(width, height);
  labels.forEach((id, index) => {
    const color = colors.get(id);
    if (color) layer.data.set([...color, 255], 4 * index); // void stays transparent
  });
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(layer, 0, 0);
  return canvas;
}

function draw() {
  if (!shown) return;
  const context = find("canvas").getContext("2d");
  context.globalAlpha = 1;
  context.drawImage(shown.image, 0, 0);
  context.globalAlpha = find("input").value / 100;
  context.drawImage(shown.layer, 0, 0);
}

function list(classes) {
  find("ul").replaceChildren(
    ...classes.map((entry) => {
      const row = document.createElement("li");
      const swatch = document.createElement("i");
      const [name, share] = [document.createElement("span"), document.createElement("b")];
      swatch.style.background = entry.color ? `rgb(${entry.color})` : "transparent";
      name.textContent = entry.name;
      share.textContent = `${(100 * entry.share).toFixed(1)} %`;
      row.append(swatch, name, share);
      return row;
    }),
  );
}

async function show() {
  const result = props.value;
  find(".result").hidden = !result;
  shown = null;
  if (!result) return;
  const [image, labels, confidence] = await Promise.all(
    [result.image, result.labels, result.confidence].map(decode),
  );
  const { width, height } = labels;
  const ids = gray(labels);
  const layer = paint(ids, result.classes, width, height);
  const names = new Map(result.classes.map((entry) => [entry.id, entry.name]));
  Object.assign(find("canvas"), { width, height });
  shown = { image, layer, ids, names, confidence: gray(confidence), width };
  list(result.classes);
  draw();
  element.dataset.shown = "true";
}

element.addEventListener("input", draw);

element.addEventListener("pointermove", (event) => {
  const tooltip = find(".tooltip");
  tooltip.hidden = !shown || event.target !== find("canvas");
  if (tooltip.hidden) return;
  const { clientWidth, width } = event.target;
  const scale = width / clientWidth;
  const [column, row] = [event.offsetX, event.offsetY].map((at) => Math.floor(at * scale));
  const index = Math.max(0, row) * shown.width + Math.max(0, column);
  if (!(index < shown.ids.length)) return;
  const percent = Math.round((100 * shown.confidence[index]) / 255);
  tooltip.textContent = `${shown.names.get(shown.ids[index])}, confidence ${percent} %`;
  // Inside the image: on the other side of the pointer where there is no space.
  const place = (at, size, length) =>
    at + 14 + size <= length ? at + 14 : Math.max(0, at - 6 - size);
  const { clientHeight } = event.target;
  tooltip.style.left = `${place(event.offsetX, tooltip.offsetWidth, clientWidth)}px`;
  tooltip.style.top = `${place(event.offsetY, tooltip.offsetHeight, clientHeight)}px`;
});

element.addEventListener("pointerleave", () => {
  find(".tooltip").hidden = true;
});

watch("value", show);
show();
