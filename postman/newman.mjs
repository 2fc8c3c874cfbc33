// Runs the collection once against a gateway. It prints what failed, and one line at the end; --verbose prints every request.
//
//	node newman.mjs [--verbose] [--folder NAME]... [--env-var NAME=VALUE]... URL
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import newman from 'newman';

const usage = 'usage: postman/run [--verbose] [--folder NAME]... [--env-var NAME=VALUE]... [URL]';

function fail(message) {
  console.error(message);
  process.exit(1);
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        verbose: { type: 'boolean', default: false },
        folder: { type: 'string', multiple: true },
        'env-var': { type: 'string', multiple: true, default: [] },
      },
    });
    if (positionals.length !== 1 || !/^https?:\/\//.test(positionals[0])) throw new Error('the address of a gateway is wanted, such as http://localhost:9000');
    const variables = values['env-var'].map((pair) => {
      const [, key, value] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
      if (!key) throw new Error(`--env-var ${pair}: NAME=VALUE is wanted`);
      return { key, value };
    });
    return { ...values, variables, url: positionals[0].replace(/\/+$/, '') };
  } catch (error) {
    return fail(`${error.message}\n${usage}`);
  }
}

// requireGateway spares the reader one failure for each request where nothing answers at all.
async function requireGateway(url) {
  try {
    await fetch(`${url}/livez`, { signal: AbortSignal.timeout(5_000) });
  } catch (error) {
    fail(`nothing answers at ${url}: ${error.cause?.message ?? error.message}`);
  }
}

function printFailure({ error, source, parent }, requestsByID) {
  const where = requestsByID.get(source?.id) ?? [parent?.name, source?.name].filter(Boolean).join(' / ');
  console.log(`FAILED ${where}\n       ${error.test ?? error.name}: ${error.message}`);
}

// pathsOf tells where in the collection each request is.
function pathsOf(group, path = [], found = new Map()) {
  group.items.each((item) => {
    const here = [...path, item.name];
    if (item.items) pathsOf(item, here, found);
    else found.set(item.id, here.join(' / '));
  });
  return found;
}

const { url, folder, variables, verbose } = readArguments();
await requireGateway(url);
newman.run(
  {
    collection: fileURLToPath(new URL('steadfast.postman_collection.json', import.meta.url)),
    folder,
    envVar: [{ key: 'baseUrl', value: url }, ...variables],
    reporters: verbose ? ['cli'] : [],
    timeout: 600_000,
    timeoutRequest: 15_000, // the gateway answers within 10 s
    timeoutScript: 30_000,
  },
  (error, summary) => {
    if (error) fail(`the collection did not run: ${error.message}`);
    const { stats, failures, timings } = summary.run;
    const paths = pathsOf(summary.collection);
    failures.forEach((failure) => printFailure(failure, paths));
    const seconds = ((timings.completed - timings.started) / 1000).toFixed(1);
    console.log(`${folder ? `folder ${folder.join(', ')}` : 'collection'}: ${stats.requests.total} requests, ${stats.assertions.total} tests, ${failures.length} failed, ${seconds} s`);
    if (failures.length > 0) process.exitCode = 1;
    else if (stats.assertions.total === 0) fail('nothing was tested');
  },
);
