// What the page to try models in and the labelling page share. A page gives its words, SAY; `refusal(status, said)`,
// what to say where the server refused; and `retell()`, what to say again in another language beyond [data-say].
'use strict';
const at = (id) => document.getElementById(id);
let language = /^zh/i.test(navigator.language) ? 'zh' : 'en';

function say(name, values = {}) {
  return SAY[language][name].replace(/\{(\w+)\}/g, (all, key) => values[key] ?? all);
}

function element(name, text = '', attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function percent(p) {
  return (100 * p).toFixed(1) + ' %';
}

// Fetches JSON; an Error with a line for people, and the status, where that fails.
async function fetched(path, body, headers = {}) {
  const options = body === undefined ? { headers } : {
    method: 'POST', body: JSON.stringify(body), headers: { ...headers, 'Content-Type': 'application/json' },
  };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error(say('unreachable'));
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const { status } = response;
  throw Object.assign(new Error(refusal(status, answer.error?.message ?? say('wrong', { status }))), { status });
}

function translate() {
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll('[data-say]')) one.textContent = say(one.dataset.say);
  at('language').textContent = say('other');
  at('language').lang = language === 'zh' ? 'en' : 'zh';
  retell();
}

at('language').addEventListener('click', () => {
  language = language === 'zh' ? 'en' : 'zh';
  translate();
});
