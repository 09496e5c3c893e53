// Messages: shown for a while, and kept in a log.

const $ = (id) => document.getElementById(id);
const MESSAGE_TIME = 12000; // milliseconds

export function showMessage(text) {
  const message = document.createElement("p");
  message.textContent = text[0].toUpperCase() + text.slice(1);
  $("messages").append(message);
  setTimeout(() => message.remove(), MESSAGE_TIME);
  const entry = document.createElement("li");
  entry.textContent = `${new Date().toLocaleTimeString()} ${message.textContent}`;
  const list = $("log").querySelector("ol");
  list.prepend(entry);
  $("log").querySelector("summary").textContent = `Messages (${list.children.length})`;
  $("log").hidden = false;
}

// The function, with its errors shown as messages.
export const showingErrors = (action) => async (...values) => {
  try {
    return await action(...values);
  } catch (error) {
    showMessage(error.message);
  }
};
