// The paths of openapi.json, as a page.
'use strict';

function element(name, text, ...children) {
  const made = document.createElement(name);
  made.textContent = text;
  made.append(...children);
  return made;
}

function table(rows) {
  return element('table', '', ...rows.map(([head, ...cells]) => {
    const title = element('th', head);
    title.scope = 'row';
    return element('tr', '', title, ...cells.map((cell) => element('td', cell)));
  }));
}

// A schema in a few words: string, list of string, Model.
function words(schema, all) {
  if (schema.$ref) return words(all[schema.$ref.split('/').pop()], all);
  const either = schema.anyOf ?? schema.oneOf;
  if (either) return either.map((one) => words(one, all)).join(' or ');
  if (schema.type === 'array') return `list of ${words(schema.items, all)}`;
  return schema.title && schema.properties ? schema.title : schema.type ?? 'anything';
}

function limits(schema) {
  return ['minLength', 'maxLength', 'minItems', 'maxItems', 'minimum', 'maximum', 'default'].filter(
    (name) => schema[name] != null).map((name) => name + ' ' + schema[name]).join(', ');
}

function fields(schema, all) {
  const found = schema.$ref ? all[schema.$ref.split('/').pop()] : schema;
  return table(Object.entries(found.properties ?? {}).map(([name, one]) => [
    name + (found.required?.includes(name) ? '' : ' (optional)'), words(one, all),
    [one.description, limits(one)].filter(Boolean).join(' ')]));
}

function example(schema, all) {
  const found = schema.$ref ? all[schema.$ref.split('/').pop()] : schema;
  return Object.fromEntries(Object.entries(found.properties).filter(([, one]) => one.examples).map(
    ([name, one]) => [name, one.examples[0]]));
}

function section(path, method, operation, all) {
  const title = element('h2', method.toUpperCase() + ' ' + path);
  const made = element('section', '', title, element('p', operation.summary));
  made.className = 'path';
  const body = operation.requestBody?.content['application/json'].schema;
  if (body) {
    const json = JSON.stringify(example(body, all));
    const url = new URL(path.slice(1), location.href);
    made.append(element('h3', 'Request'), fields(body, all),
      element('pre', `curl -H 'Content-Type: application/json' -d '${json}' ${url}`));
  }
  const answer = operation.responses[200].content['application/json']?.schema;
  if (answer) made.append(element('h3', 'Answer'), fields(answer, all));
  const errors = Object.entries(operation.responses).filter(([status]) => status !== '200');
  if (errors.length) {
    made.append(element('h3', 'Errors: {"error": {"message": …}}'),
      table(errors.map(([status, { description }]) => [status, description])));
  }
  return made;
}

fetch('openapi.json').then((response) => response.json()).then(({ paths, components }) => {
  document.getElementById('paths').append(...Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => section(path, method, operation, components.schemas))));
});
