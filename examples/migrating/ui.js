/** The same page for all examples: a list of lines, a field to write one, and how the connection is. */
document.body.innerHTML =
  '<p id="status">connecting</p><ul id="lines"></ul><form><input aria-label="Write a line"><button>Send</button></form>';
const form = document.querySelector("form");
const input = document.querySelector("input");

export function show(text) {
  const line = document.createElement("li");
  line.textContent = text;
  document.querySelector("#lines").append(line);
}

export function status(text) {
  document.querySelector("#status").textContent = text;
}

export function onLine(send) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(input.value);
    input.value = "";
  });
}
