// Checks the collection itself, without sending anything: it asks for every route and method that the API has, for none that it has not, and each
// request says what it is for and has tests. The routes are those below and, where it is there, of the gateway's OpenAPI description.
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

const routes = [
  'POST /api/inventory',
  'GET /api/inventory',
  'POST /api/inventory/{skuCode}/adjustments',
  'POST /api/order',
  'GET /api/order/{userId}',
  'GET /api/order/{userId}/{orderNumber}',
  'GET /livez',
  'GET /readyz',
];
const methods = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'];
// notServed is the folder whose requests have to be refused, whatever their route.
const notServed = 'Paths and methods';

const at = (name) => new URL(name, import.meta.url);
const collection = JSON.parse(readFileSync(at('steadfast.postman_collection.json'), 'utf8'));
const openAPI = at('../gateway/internal/openapi/openapi.yaml');
const faults = [];

function describedRoutes() {
  if (!existsSync(openAPI)) return [];
  const { paths = {} } = parse(readFileSync(openAPI, 'utf8'));
  return Object.entries(paths).flatMap(([path, operations]) => methods.filter((method) => method in operations).map((method) => `${method.toUpperCase()} ${path}`));
}

// requestsOf returns all requests, each with the folders that it is in, and checks what every item must have.
function requestsOf(items, folders = [], ids = new Set()) {
  return items.flatMap((item) => {
    const where = [...folders, item.name].join(' / ');
    if (!item.id || ids.has(item.id)) faults.push(`${where}: needs an id of its own`);
    ids.add(item.id);
    if (!(item.request ?? item).description) faults.push(`${where}: needs a description`);
    if (item.item) return requestsOf(item.item, [...folders, item.name], ids);
    const tests = (item.event ?? []).find((event) => event.listen === 'test');
    if (!tests?.script.exec.join('').includes('pm.test(')) faults.push(`${where}: needs a test`);
    return [{ where, folders, method: item.request.method, path: item.request.url.raw.replace('{{baseUrl}}', '').split('?')[0] }];
  });
}

// matches tells whether a request's method and path are of a route; a parameter takes any one segment.
function matches({ method, path }, route) {
  const [routeMethod, routePath] = route.split(' ');
  const [want, got] = [routePath.split('/'), path.split('/')];
  return method === routeMethod && want.length === got.length && want.every((segment, i) => segment.startsWith('{') || segment === got[i]);
}

const all = [...new Set([...routes, ...describedRoutes()])];
const requests = requestsOf(collection.item);
const served = requests.filter(({ folders }) => !folders.includes(notServed));
for (const route of all) {
  if (!served.some((request) => matches(request, route))) faults.push(`no request asks for ${route}`);
}
for (const request of served) {
  const follows = request.path.startsWith('{{'); // an address out of an earlier answer
  if (!follows && !all.some((route) => matches(request, route))) faults.push(`${request.where}: the API has no ${request.method} ${request.path}`);
}
faults.forEach((fault) => console.log(fault));
if (faults.length > 0) process.exit(1);
console.log(`${requests.length} requests ask for all ${all.length} routes${existsSync(openAPI) ? ', as the OpenAPI description has them' : ''}`);
