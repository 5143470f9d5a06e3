// Prisma's client for tests in another language: a call per line on stdin, an answer per line on stdout.
//
//   {"calls": [["user.create", {"data": {...}}], ...], "together": true}
//
// `together` runs the calls in one transaction; a call "fail" rolls it back.
const readline = require("node:readline");
const { PrismaPg } = require("@prisma/adapter-pg");
const { PrismaClient } = require("./node_modules/.prisma-client");

const prisma = new PrismaClient({
  adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }),
});

async function runAll(client, calls) {
  const answers = [];
  for (const [name, given] of calls) {
    if (name === "fail") throw new Error(given);
    const [model, method] = name.split(".");
    answers.push(await client[model][method](given));
  }
  return answers;
}

async function answer({ calls, together }) {
  try {
    const done = together
      ? await prisma.$transaction((tx) => runAll(tx, calls))
      : await runAll(prisma, calls);
    return { done };
  } catch (error) {
    return { error: error.code ?? "", message: error.message };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
  }
  await prisma.$disconnect();
}

main();
