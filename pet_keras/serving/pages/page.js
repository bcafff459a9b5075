// The page to try models in. Whatever came from a person or a model becomes text (textContent), never markup.
'use strict';
const SAY = {
  zh: {
    other: 'English', docs: '接口说明', key: '密钥', model: '模型', text: '文本', second: '第二个文本', pattern: '模板',
    own: '自己写的模板', ownHelp: '用 [MASK] 表示空格，用 {holes} 表示文本。', ask: '试一试', cloze: '填空题',
    labels: '各类别的概率', words: '空格里最可能的词', blank: '第 {n} 个空格', write: '自己写……', busy: '正在计算……',
    exported: '这是导出的模型：只用导出时的模板，不能换模板，也不列出空格里的词。',
    done: '结果：{label}，{p}', unreachable: '服务器没有回答。', needsKey: '这个服务器需要密钥。', wrong: '服务器回答了 {status}。',
  },
  en: {
    other: '中文', docs: 'API', key: 'API key', model: 'Model', text: 'Text', second: 'Second text', pattern: 'Pattern',
    own: 'Your own pattern', ownHelp: '[MASK] is the blank, and {holes} the text.', ask: 'Try it', cloze: 'The cloze',
    labels: 'Probability of each label', words: 'Likeliest words for the blank', blank: 'Blank {n}',
    exported: 'An exported model: it asks with the pattern that it was exported with, and lists no words for the blank.',
    write: 'Write one…', busy: 'Computing…', done: 'Result: {label}, {p}', unreachable: 'The server did not answer.',
    needsKey: 'This server wants a key.', wrong: 'The server answered {status}.',
  },
};
const SPECIAL = /(\[(?:MASK|SEP|PAD|CLS|UNK|unused\d+)\])/;
let models = [];
let asked = 0;

function refusal(status, said) {
  if (status === 401) at('key-field').hidden = false;
  return status === 401 ? say('needsKey') : said;
}

function asking(path, body) {
  return fetched(path, body, at('key').value ? { Authorization: 'Bearer ' + at('key').value } : {});
}

function model() {
  return models.find((one) => one.name === at('model').value);
}

function pattern() {
  const chosen = at('pattern').value;
  return !Object.keys(model().patterns).length ? model().pattern : chosen === '' ? at('own').value : chosen;
}

function showModel(withExample) {
  const chosen = model();
  at('description').textContent = chosen.description;
  at('exported').hidden = chosen.kind !== 'exported';
  at('second-field').hidden = !chosen.pair;
  at('second').required = chosen.pair;
  if (withExample) [at('text').value, at('second').value] = [chosen.example[0] ?? '', chosen.example[1] ?? ''];
  at('pattern').replaceChildren();
  for (const [name, { pattern: string }] of Object.entries(chosen.patterns)) {
    at('pattern').append(element('option', name + '  ' + string, { value: string }));
  }
  if (![...at('pattern').options].some((option) => option.value === chosen.pattern)) {
    at('pattern').prepend(element('option', chosen.pattern ?? '', { value: chosen.pattern ?? '' }));
  }
  at('pattern').append(element('option', say('write'), { value: '' }));
  at('pattern').value = chosen.pattern ?? '';
  at('own').value = chosen.pattern ?? '';
  at('pattern-field').hidden = !Object.keys(chosen.patterns).length;
  showOwn();
}

function showOwn() {
  const own = !at('pattern-field').hidden && at('pattern').value === '';
  at('own-field').hidden = !own;
  at('own').required = own;
  at('own-help').textContent = say('ownHelp', { holes: model()?.pair ? '{text_a} {text_b}' : '{text}' });
}

// The pieces of a pattern: [kind, text], where kind is 'blank', 'text', 'token' or ''.
function pieces(string, texts) {
  const holes = { '{text}': texts[0], '{text_a}': texts[0], '{text_b}': texts[1] };
  return string.split(/(\[MASK\](?:\[MASK\])*|\{text(?:_[ab])?\}|\[SEP\]|\[unused\d+\])/).filter(Boolean).map((piece) =>
    piece in holes ? ['text', holes[piece] ?? ''] : piece.startsWith('[MASK]') ? ['blank', piece] :
      /^\[(SEP|unused\d+)\]$/.test(piece) ? ['token', piece] : ['', piece]);
}

function showCloze(parts, word) {
  at('cloze').replaceChildren(...parts.map(([kind, text]) =>
    kind === 'blank' ? element('mark', word) : kind === 'token' ? element('code', text) :
      element('span', text, { class: kind || 'asked' })));
}

function bar(name, note, p, best) {
  const row = element('li', '', best ? { class: 'best' } : {});
  const title = element('span', name, { class: 'name', lang: 'zh' });
  if (note) title.append(element('small', note));
  const meter = element('meter', '', { min: 0, max: 1, value: p, 'aria-hidden': 'true' });
  row.append(title, meter, element('span', percent(p), { class: 'p' }));
  return row;
}

function showLabels(prediction, words) {
  const rows = Object.entries(prediction.probabilities).sort((a, b) => b[1] - a[1]);
  at('labels').replaceChildren(...rows.map(([label, p]) =>
    bar(label, (words[label] ?? []).filter((word) => word !== label).join(' '), p, label === prediction.label)));
}

function showWords(blanks) {
  at('words').replaceChildren(...blanks.flatMap((pairs, n) => {
    const list = element('ol', '', { class: 'bars' });
    list.append(...pairs.map(({ token, probability }) => bar(token, '', probability, false)));
    return blanks.length > 1 ? [element('h3', say('blank', { n: n + 1 })), list] : [list];
  }));
}

// What /v1/fill is asked: the cloze as text. A causal model writes on where the blank is, so nothing may follow it;
// special tokens that a person typed into the text are no tokens.
function question(parts, causal) {
  const whole = parts.map(([kind, text]) =>
    kind === 'text' ? text.split(SPECIAL).map((s) => SPECIAL.test(s) ? '[ ' + s.slice(1, -1) + ' ]' : s).join('') : text
  ).join('');
  return causal ? whole.slice(0, whole.lastIndexOf('[MASK]') + '[MASK]'.length) : whole;
}

async function ask(event) {
  event.preventDefault();
  const mine = ++asked;
  at('error').textContent = '';
  at('status').textContent = say('busy');
  document.body.setAttribute('aria-busy', 'true');
  try {
    if (!models.length && !await start()) return;
    const chosen = model(), string = pattern();
    const texts = [at('text').value, at('second').value].slice(0, chosen.pair ? 2 : 1);
    const parts = string ? pieces(string, texts) : [];
    const request = { model: chosen.name, texts: [chosen.pair ? texts : texts[0]] };
    if (string !== chosen.pattern) request.pattern = string;
    const [{ predictions: [prediction] }, filled] = await Promise.all([
      asking('v1/classify', request),
      !chosen.fills || !string ? null : asking('v1/fill', {
        model: chosen.name, text: question(parts, chosen.causal), top: 8,
      }).catch((e) => e),
    ]);
    if (mine !== asked) return;
    const words = Object.values(chosen.patterns).find((one) => one.pattern === string)?.words ?? chosen.words;
    showCloze(parts, words[prediction.label]?.[0]);
    at('cloze-part').hidden = !string;
    showLabels(prediction, words);
    at('words-part').hidden = !filled;
    if (filled instanceof Error) at('words').replaceChildren(element('p', filled.message));
    else if (filled) showWords(filled.blanks);
    at('result').hidden = false;
    at('status').textContent = say('done', {
      label: prediction.label, p: percent(prediction.probabilities[prediction.label]),
    });
  } catch (e) {
    if (mine !== asked) return;
    at('result').hidden = true;
    at('status').textContent = '';
    at('error').textContent = e.message;
  } finally {
    if (mine === asked) document.body.removeAttribute('aria-busy');
  }
}

function retell() {
  const write = at('pattern').options[at('pattern').options.length - 1];
  if (write) write.textContent = say('write');
  showOwn();
}

// Gets the models; false where they cannot be had, which is then said.
async function start() {
  try {
    ({ models } = await asking('v1/models'));
  } catch (e) {
    at('error').textContent = e.message;
    at('status').textContent = '';
    return false;
  }
  at('model').replaceChildren(...models.map(({ name }) => element('option', name, { value: name })));
  at('model-field').hidden = models.length < 2;
  showModel(!at('text').value);
  return true;
}

at('form').addEventListener('submit', ask);
at('model').addEventListener('change', () => showModel(true));
at('pattern').addEventListener('change', showOwn);
at('key').addEventListener('change', start);
translate();
start();
