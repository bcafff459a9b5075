// The labelling page. Whatever came from a person or a model becomes text (textContent), never markup.
'use strict';
const KEYS = '1234567890qwertyiopadfghjklzxcvbnm'; // S skips and U undoes
const mine = sessionStorage.getItem('window') ?? crypto.getRandomValues(new Uint32Array(2)).join('-');
sessionStorage.setItem('window', mine);
let state = null, current = null, busy = false, listed = '', start = 0;

function refusal(status, message) {
  return status === 409 ? say('conflict') : status === 507 ? say('full', { message }) : message;
}

function likeliest(guess) {
  const [label, p] = Object.entries(guess).reduce((a, b) => (b[1] > a[1] ? b : a));
  return { label, p: percent(p) };
}

// --- one text -------------------------------------------------------------------------------------------

function showText() {
  at('text').replaceChildren(...(current?.texts ?? [say('done')]).map((text) => element('p', text)));
  at('text').scrollTop = 0;
  showLabels();
}

function showLabels() {
  const focused = document.activeElement?.dataset?.label;
  at('labels').replaceChildren(...state.task.labels.map((label, i) => {
    const button = element('button', '', {
      type: 'button', lang: 'zh', 'aria-pressed': String(current?.label === label),
    });
    if (i < KEYS.length) button.append(element('kbd', KEYS[i].toUpperCase(), { 'aria-hidden': 'true' }));
    button.append(label);
    button.dataset.label = label;
    button.disabled = !current;
    button.addEventListener('click', () => answer(label));
    return button;
  }));
  if (focused !== undefined) [...at('labels').children].find((one) => one.dataset.label === focused)?.focus();
  at('labels').setAttribute('aria-label', say('labels'));
  at('skip').disabled = !current;
  at('undo').disabled = !state.last;
  at('guess').hidden = !(at('guesses').checked && current?.guess);
  if (!at('guess').hidden) at('guess').textContent = say('guess', likeliest(current.guess));
}

// Does what changes the session, one at a time, and shows what came of it.
async function act(path, body, said) {
  if (busy) return;
  busy = true;
  document.body.setAttribute('aria-busy', 'true');
  try {
    let found = null;
    try {
      found = await fetched(path, { window: mine, ...body });
      at('error').textContent = '';
    } catch (e) {
      at('error').textContent = e.message;
      if (e.status !== 409) return;
      found = await fetched('v1/next', { window: mine });
    }
    current = found.text;
    showState(found.state);
    showText();
    at('status').textContent = [said, ...(current?.texts ?? [say('done')])].filter(Boolean).join(' ');
    showList();
  } catch (e) {
    at('error').textContent = e.message;
  } finally {
    busy = false;
    document.body.removeAttribute('aria-busy');
  }
}

function answer(label) {
  if (!current) return;
  if (current.label === label) act('v1/next', {}, '');
  else act('v1/answer', { id: current.id, label, before: current.label },
    label ? say('answered', { label }) : say('skipped'));
}

function undo() {
  if (state?.last) act('v1/undo', { id: state.last }, say('undone'));
}

function pressed(event) {
  const typing = event.target.closest('input:not([type=checkbox]), textarea, select');
  const other = event.repeat || event.ctrlKey || event.altKey || event.metaKey;
  if (!state?.task || !at('keys').checked || typing || other) return;
  const key = event.key.toLowerCase(), place = KEYS.indexOf(key);
  if (key === 's' && current) answer('');
  else if (key === 'u') undo();
  else if (key.length === 1 && place >= 0 && place < state.task.labels.length) answer(state.task.labels[place]);
  else return;
  event.preventDefault();
}

// --- progress -------------------------------------------------------------------------------------------

function showState(found) {
  const before = state;
  state = found;
  at('setup').hidden = state.task !== null;
  at('work').hidden = state.task === null;
  at('problem').textContent = [state.problem, ...state.warnings].filter(Boolean).join(' ');
  if (!state.task) {
    if (state.problem) at('error').textContent = state.problem;
    return;
  }
  at('counts').textContent = say('counts', state);
  at('doing').textContent = say(state.doing, state);
  const most = Math.max(1, ...Object.values(state.balance));
  at('balance').replaceChildren(...Object.entries(state.balance).map(([label, n]) => {
    const row = element('li'), meter = element('meter', '', { min: 0, max: most, value: n, 'aria-hidden': 'true' });
    row.append(element('span', label, { class: 'name', lang: 'zh' }), meter, element('span', n, { class: 'p' }));
    return row;
  }));
  drawCurve(at('curve'), state.curve);
  const last = state.curve[state.curve.length - 1];
  at('accuracy').textContent = last ? say('accuracy', {
    labels: last.labels, p: percent(last.accuracy), low: percent(last.low), high: percent(last.high),
  }) : say('few');
  at('advice').textContent = state.stable ? say('stable') :
    state.agreement === null ? '' : say('agreement', { kappa: state.agreement.toFixed(2) });
  at('finish').disabled = Object.values(state.balance).filter((n) => n > 0).length < 2;
  at('saved').hidden = !(state.finished && state.saved);
  if (!at('saved').hidden) at('saved').textContent = say('saved', { folder: state.saved, labels: state.model.labels });
  if (before && (before.labelled !== state.labelled || before.curve.length !== state.curve.length)) showList();
}

// --- the list -------------------------------------------------------------------------------------------

async function showList(more = false) {
  if (!state?.task) return;
  const query = new URLSearchParams({ search: at('search').value, labelled: !at('all').checked });
  if (!more) start = 0;
  const asked = listed = query + ' ' + start + ' ' + Math.random();
  let found;
  try {
    found = await fetched(`v1/texts?${query}&start=${start}`);
  } catch {
    return; // the next change asks again
  }
  if (asked !== listed) return;
  const rows = found.texts.map((text) => {
    const row = element('li'), button = element('button', '', { type: 'button' });
    const label = text.label === null ? say('open') : text.label || say('isSkipped');
    button.append(element('span', text.texts.join(' | ').slice(0, 200), { class: 'words', lang: 'zh' }),
      element('span', label, { class: 'label', lang: 'zh' }));
    if (text.doubtful) button.append(element('span', say('doubt', likeliest(text.guess)), { class: 'doubt' }));
    button.addEventListener('click', () => open(text));
    row.append(button);
    return row;
  });
  if (more) at('texts').append(...rows);
  else at('texts').replaceChildren(...rows);
  start += rows.length;
  at('more').hidden = start >= found.total;
  at('found').textContent = say(found.doubtful ? 'doubtful' : 'found', found);
}

function open(text) {
  current = text;
  showText();
  at('text').focus();
}

// --- labels and a pattern, where there is no task yet ------------------------------------------------------

async function propose(event) {
  event?.preventDefault();
  at('error').textContent = '';
  at('pattern-form').hidden = true;
  at('status').textContent = say('proposing');
  document.body.setAttribute('aria-busy', 'true');
  try {
    let found = await fetched('v1/proposals', { labels: at('names').value });
    while (!found.proposals && !found.problem) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      found = await fetched('v1/proposals');
    }
    if (found.problem) throw new Error(found.problem);
    at('patterns').replaceChildren(...found.proposals.map(({ pattern, filled }, i) => {
      const row = element('label', '', { class: 'choice' }), words = element('span');
      const radio = element('input', '', { type: 'radio', name: 'pattern', value: pattern });
      radio.checked = i === 0;
      words.append(...Object.values(filled).map((text) => element('span', text, { lang: 'zh' })),
        element('code', pattern));
      row.append(radio, words);
      return row;
    }));
    at('pattern-form').hidden = false;
    at('status').textContent = say('patterns');
  } catch (e) {
    at('error').textContent = e.message;
  } finally {
    document.body.removeAttribute('aria-busy');
  }
}

async function begin(event) {
  event.preventDefault();
  const pattern = at('own').value.trim() || document.querySelector('[name=pattern]:checked')?.value;
  if (!pattern) return at('error').textContent = say('choose');
  try {
    await fetched('v1/task', { labels: at('names').value, pattern });
  } catch (e) {
    return at('error').textContent = e.message;
  }
  await act('v1/next', {}, '');
}

// --- all of it ------------------------------------------------------------------------------------------

function retell() {
  at('search').placeholder = say('search');
  at('search').setAttribute('aria-label', say('search'));
  if (!state) return;
  showState(state);
  if (state.task) showText(), showList();
}

async function poll() {
  try {
    if (!busy) {
      const found = await fetched(`v1/state?window=${encodeURIComponent(mine)}`);
      if (!busy) {
        const begun = !state?.task && found.state.task;
        showState(found.state);
        const more = state.task && !current && state.labelled + state.skipped < state.texts;
        if (begun || more) await act('v1/next', {}, '');
      }
    }
  } catch {
    // the next answer says so
  }
  setTimeout(poll, 1500);
}

let typed;
document.addEventListener('keydown', pressed);
at('skip').addEventListener('click', () => answer(''));
at('undo').addEventListener('click', undo);
at('guesses').addEventListener('change', showLabels);
at('finish').addEventListener('click', () => fetched('v1/finish', { window: mine }).then(
  (found) => showState(found.state), (e) => { at('error').textContent = e.message; }));
at('search').addEventListener('input', () => { clearTimeout(typed); typed = setTimeout(showList, 200); });
at('all').addEventListener('change', () => showList());
at('more').addEventListener('click', () => showList(true));
at('labels-form').addEventListener('submit', propose);
at('pattern-form').addEventListener('submit', begin);
translate();
act('v1/next', {}, '').then(() => {
  if (state?.words) {
    at('names').value = Object.entries(state.words).map(
      ([label, [word]]) => (label === word ? label : `${label}=${word}`)).join(',');
    propose();
  }
  poll();
});
