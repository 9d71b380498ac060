// Namespaces that go with their last client, where the server says so.

import { ask, assert, chain, connected, next, settle, until } from "../harness.mjs";

const child = (context, number = 1) => `/dynamic/${context.tag}/${number}`;

const isThere = async (context, name) => (await context.get("/namespaces")).includes(name);

const gone = (context, name) =>
  until(async () => !(await isThere(context, name)), `the end of ${name}`);

export async function leavesNoNamespaceBehind(context) {
  const name = child(context);
  const socket = await context.connect(name);
  for (const count of [1, 2, 3]) {
    await settle(socket);
    assert.ok(await isThere(context, name));
    assert.equal((await context.records("new_namespace")).length, count);
    socket.disconnect();
    await gone(context, name);
    if (count < 3) await connected(socket.connect());
  }
}

export async function keepsTheNamespaceForTheOthers(context) {
  const name = child(context);
  const [first, second] = [await context.connect(name), await context.connect(name)];
  const { id } = first;
  first.disconnect();
  await context.serverSaw("disconnect", { id });
  await settle(second);
  assert.ok(await isThere(context, name));
  await connected(first.connect());
  const other = second.id;
  second.io.engine.close();
  await context.serverSaw("disconnect", { id: other });
  await settle(first);
  assert.equal((await context.records("new_namespace")).length, 1);
}

export async function leavesNoNamespaceBehindWhenItIsRefused(context) {
  const name = child(context);
  const outside = await context.connect("/chat");
  const socket = context.join(outside, name, { refuse: true });
  await next(socket, "connect_error");
  await gone(context, name);
  socket.auth = { tag: context.tag };
  await connected(socket.connect());
  await settle(socket, outside);
}

export async function leavesNoNamespaceBehindWhenItsConnectionEnds(context) {
  const names = [child(context, 1), child(context, 2)];
  const socket = await context.connect(names[0]);
  await connected(context.join(socket, names[1]));
  socket.io.engine.close();
  for (const name of names) await gone(context, name);
}

export async function leavesNamespacesThatArePartOfTheApplication(context) {
  const socket = await context.connect("/chat");
  const { id } = socket;
  socket.disconnect();
  await context.serverSaw("disconnect", { id });
  assert.ok(await isThere(context, "/chat"));
  assert.ok(await isThere(context, "/declared"));
}

export async function isTheLastToLeaveWhileAnotherComes(context) {
  const name = child(context);
  const outside = await context.connect("/chat");
  for (let round = 0; round < 10; round += 1) {
    const leaver = context.join(outside, name);
    await connected(leaver);
    const comer = context.open(name);
    leaver.disconnect();
    await connected(comer);
    assert.equal(await ask(comer, "one", round), round);
    // Whichever came first: who is in it hears its broadcasts.
    const heard = next(comer, "news");
    await chain(outside, "parent", ["to", comer.id], ["emit", "news", round]);
    assert.equal(await heard, round);
    comer.disconnect();
    await gone(context, name);
  }
}
