// What the labelling page says, in Chinese and English.
'use strict';
const SAY = {
  zh: {
    other: 'English', title: '标注', names: '标签', propose: '推荐模板', patterns: '模型这样读一条文本',
    namesHelp: '用逗号隔开，例如：好评,差评。标签名就是模型填进空格里的词；也可以另外指定：好评=好,差评=差。',
    patternsHelp: '每个模板都填好了第一条文本。最好的排在最前面：答案最取决于文本。', own: '或者自己写一个模板',
    ownHelp: '用 [MASK] 表示空格，用 {text} 表示文本。', start: '开始标注', text: '文本', skip: '跳过', undo: '撤销',
    keys: '用单键标注', guesses: '显示模型的猜测', progress: '进度', curve: '学习曲线', finish: '训练好模型，结束',
    list: '已标注的文本', all: '也找未标注的', more: '更多', search: '查找文本', labels: '标签',
    counts: '已标注 {labelled} 条，跳过 {skipped} 条，共 {texts} 条文本。', guess: '模型的猜测：{label}，{p}',
    done: '每条文本都标注过了。', answered: '已标为{label}。', skipped: '已跳过。', undone: '已撤销上一次标注。',
    found: '{total} 条', doubtful: '{total} 条，其中 {doubtful} 条模型与您看法不同，排在最前', doubt: '模型认为是{label}，{p}',
    isSkipped: '跳过', open: '未标注',
    accuracy: '交叉验证正确率 {p}（95% 区间 {low}–{high}），用 {labels} 条标注。',
    few: '标注满 10 条、至少两种标签之后，这里会显示交叉验证的正确率。',
    agreement: '最近两个模型的一致性 κ = {kappa}。', stable: '最近三个模型的答案几乎一样（κ ≥ 0.99）：再多标注恐怕变化不大。',
    curveLabel: '学习曲线：{points}', point: '{labels} 条时 {p}', axis: '标注条数',
    saved: '模型在 {folder}，用 {labels} 条标注训练。使用：\npet-keras predict --model {folder} 文件',
    starting: '正在启动模型……', loading: '正在读入模型……', proposing: '正在比较模板……', scoring: '模型正在看文本：{scored} / {texts}',
    training: '正在用 {labelled} 条标注训练……', validating: '正在交叉验证……', resting: '模型已看完全部文本。', ended: '学习进程已结束；标注仍会保存。',
    conflict: '另一个窗口已经标注了这条文本，换下一条。', full: '没有保存，不算数：{message}',
    unreachable: '服务器没有回答；刚才的标注没有保存。', wrong: '服务器回答了 {status}。', choose: '请选一个模板，或者自己写一个。',
  },
  en: {
    other: '中文', title: 'Labelling', names: 'Labels', propose: 'Propose patterns',
    namesHelp: 'Separated by commas, as 好评,差评. The name is the word that the model puts into the blank, or give ' +
      'one of its own: 好评=好,差评=差.',
    patterns: 'How the model reads a text', patternsHelp: 'Each pattern is filled in with the first text. The best ' +
      'comes first: its answers depend most on the text.',
    own: 'Or write a pattern', ownHelp: '[MASK] is the blank, and {text} the text.', start: 'Start labelling',
    text: 'Text', skip: 'Skip', undo: 'Undo', keys: 'Label with single keys', guesses: "Show the model's guess",
    progress: 'Progress', curve: 'Learning curve', finish: 'Train the model and finish', list: 'Labelled texts',
    all: 'find unlabelled ones too', more: 'More', search: 'Find texts', labels: 'Labels',
    counts: '{labelled} labelled, {skipped} skipped, {texts} texts in all.', guess: "The model's guess: {label}, {p}",
    done: 'Every text has been answered.', answered: 'Labelled {label}.', skipped: 'Skipped.',
    undone: 'The last answer is undone.', found: '{total} texts',
    doubtful: '{total} texts; first {doubtful} where the model disagrees with you',
    doubt: 'The model says {label}, {p}',
    isSkipped: 'skipped', open: 'not labelled',
    accuracy: 'Cross-validated accuracy {p} (95 % interval {low}–{high}) with {labels} labels.',
    few: 'From 10 labels of two kinds on, the cross-validated accuracy is shown here.',
    agreement: 'The last two models agree by κ = {kappa}.',
    stable: 'The last three models answer nearly alike (κ ≥ 0.99): more labels of this kind may change little.',
    curveLabel: 'Learning curve: {points}', point: '{p} with {labels} labels', axis: 'labels',
    saved: 'The model is in {folder}, trained with {labels} labels. Use it:\npet-keras predict --model {folder} FILE',
    starting: 'Starting the model…', loading: 'Loading the model…', proposing: 'Comparing patterns…',
    scoring: 'The model reads texts: {scored} / {texts}', training: 'Training with {labelled} labels…',
    validating: 'Cross-validating…', resting: 'The model has read every text.',
    ended: 'The learning process has ended; answers are still kept.',
    conflict: 'Another window has answered this text; here is the next.',
    full: 'Not saved, and it does not count: {message}',
    unreachable: 'The server did not answer; your answer is not saved.', wrong: 'The server answered {status}.',
    choose: 'Choose a pattern, or write one.',
  },
};
let language = /^zh/i.test(navigator.language) ? 'zh' : 'en';

function say(name, values = {}) {
  return SAY[language][name].replace(/\{(\w+)\}/g, (all, key) => values[key] ?? all);
}

function percent(p) {
  return (100 * p).toFixed(1) + ' %';
}
