// Requests to the server: what it refuses becomes an error with its sentence.

export async function request(address, options = {}) {
  const answer = await fetch(address, options).catch(() => {
    throw new Error("the server does not answer: is it still running?");
  });
  if (answer.ok) return answer;
  const { detail } = await answer.json().catch(() => ({ detail: answer.statusText }));
  throw new Error(typeof detail === "string" ? detail : detail.map((one) => one.msg).join("; "));
}

export const getJson = async (address) => (await request(address)).json();

export async function post(address, content) {
  const headers = { "Content-Type": "application/json" };
  return (await request(address, { method: "POST", headers, body: JSON.stringify(content) })).json();
}
