// The learning curve: cross-validated accuracy, with its interval, against the number of labels.
'use strict';

function shape(name, attributes, text = '') {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function drawCurve(svg, points) {
  const [left, right, top, bottom] = [40, 330, 10, 140];
  const most = Math.max(20, ...points.map((point) => point.labels)) * 1.05;
  const least = Math.min(0.5, ...points.map((point) => Math.floor(point.low * 10) / 10));
  const x = (labels) => left + (right - left) * labels / most;
  const y = (accuracy) => bottom - (bottom - top) * (accuracy - least) / (1 - least);
  const step = most > 400 ? 100 : most > 150 ? 50 : most > 60 ? 20 : 10;
  const made = [];
  for (let tick = Math.ceil(least * 10); tick <= 10; tick += least < 0.4 ? 2 : 1) {
    made.push(shape('line', { class: 'axis', x1: left, x2: right, y1: y(tick / 10), y2: y(tick / 10) }));
    made.push(shape('text', { x: left - 6, y: y(tick / 10) + 4, 'text-anchor': 'end' }, tick * 10 + '%'));
  }
  for (let labels = 0; labels <= most; labels += step) {
    made.push(shape('text', { x: x(labels), y: bottom + 15, 'text-anchor': 'middle' }, labels));
  }
  made.push(shape('text', { x: right, y: bottom + 28, 'text-anchor': 'end' }, say('axis')));
  const line = points.map((point) => x(point.labels) + ',' + y(point.accuracy)).join(' ');
  made.push(shape('polyline', { class: 'line', points: line }));
  for (const { labels, accuracy, low, high } of points) {
    made.push(shape('line', { class: 'range', x1: x(labels), x2: x(labels), y1: y(low), y2: y(high) }));
    made.push(shape('circle', { cx: x(labels), cy: y(accuracy), r: 3 }));
  }
  svg.replaceChildren(...made);
  svg.setAttribute('aria-label', say('curveLabel', {
    points: points.map(({ labels, accuracy }) => say('point', { labels, p: percent(accuracy) })).join(', '),
  }));
}
