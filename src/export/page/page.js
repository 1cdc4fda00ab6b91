'use strict';
// What the page does with its data, which export_html.c describes. Names in it are those of the
// profiled program: they get into the page as text only, never as HTML.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const $ = (id) => document.getElementById(id);
  const REASONS = data.reasons;
  // One colour per reason, in the order of the data; kept apart for eyes that see less red or green.
  const REASON_COLORS = ['#9aa5b4', '#e8590c', '#f2a900', '#9b85f7', '#2f80ed', '#0b9e8a', '#4fb3d9',
    '#a3b18a', '#d6409f', '#86704f'];
  const RUNNABLE_COLOR = '#e03131';
  const ON_COLOR = '#2b8a3e';
  const KINDS = [
    { name: 'program', hue: 24, saturation: 88, light: 63 },
    { name: 'library', hue: 43, saturation: 86, light: 62 },
    { name: 'kernel', hue: 210, saturation: 45, light: 68 },
    { name: 'JIT', hue: 145, saturation: 42, light: 62 },
    { name: 'inlined', hue: 12, saturation: 72, light: 72 },
    { name: 'callers missing', hue: 0, saturation: 0, light: 72 },
  ];
  const INLINED = 4;
  let mode = 'on';

  // ---- Text --------------------------------------------------------------------------------------

  const group = (text) => text.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
  const count = (n) => group(String(n));
  const plural = (n, one, many) => count(n) + ' ' + (n === 1 ? one : many);
  function duration(ns) {
    if (ns >= 60e9) {
      const minutes = Math.floor(ns / 60e9);
      return `${minutes} min ${((ns - minutes * 60e9) / 1e9).toFixed(0)} s`;
    }
    if (ns >= 1e9) return (ns / 1e9).toFixed(2) + ' s';
    if (ns >= 1e6) return (ns / 1e6).toFixed(ns >= 1e8 ? 0 : 1) + ' ms';
    if (ns >= 1e3) return (ns / 1e3).toFixed(0) + ' \u00b5s';
    return ns + ' ns';
  }
  const milliseconds = (ns) => {
    const [whole, rest] = (ns / 1e6).toFixed(ns >= 1e9 ? 0 : 1).split('.');
    return group(whole) + (rest ? '.' + rest : '');
  };
  const percent = (part, whole) => whole > 0 ? (100 * part / whole).toFixed(part / whole < 0.001 ? 2 : 1) + ' %' : '\u2013';

  function make(tag, text, className) {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    if (className) element.className = className;
    return element;
  }
  function dot(color) {
    const mark = make('span', null, 'dot');
    mark.style.background = color;
    return mark;
  }

  // ---- Header ------------------------------------------------------------------------------------

  const offTotal = data.totals.off.reduce((sum, ns) => sum + ns, 0);
  function head() {
    const run = data.run;
    document.title = run.label + ' \u2013 stax';
    $('label').textContent = run.label;
    $('label').title = run.label;
    const facts = [];
    if (run.host) facts.push(['Host', run.host]);
    if (run.started_unix_ms) facts.push(['Recorded', new Date(run.started_unix_ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' })]);
    facts.push(['Duration', duration(run.end_ns - run.start_ns)]);
    facts.push(['On CPU', duration(data.totals.on)]);
    facts.push(['Waiting', duration(offTotal)]);
    facts.push(['Threads', count(data.threads.total)]);
    facts.push(['Samples', count(data.health.samples)]);
    facts.push(['Lost', data.health.lost_samples ? count(data.health.lost_samples) : 'none']);
    if (run.frequency_hz) facts.push(['How', `CPU clock, ${count(run.frequency_hz)} Hz per thread`]);
    if (run.pid) facts.push(['Process', String(run.pid)]);
    for (const [key, value] of facts) {
      const pair = make('div');
      pair.append(make('dt', key), make('dd', value));
      $('facts').append(pair);
    }
    const health = data.health;
    const warnings = [];
    if (health.lost_samples) warnings.push(`${plural(health.lost_samples, 'sample was', 'samples were')} lost: the machine was too busy to take them.`);
    if (health.throttled) warnings.push(`The kernel suspended sampling ${plural(health.throttled, 'time', 'times')}.`);
    if (health.truncated * 20 > health.samples) warnings.push(`${percent(health.truncated, health.samples)} of the samples lack callers.`);
    if (health.unresolved * 5 > health.samples) warnings.push(`${percent(health.unresolved, health.samples)} of the samples are in functions without a name.`);
    if (health.estimated) warnings.push('Times are estimated: samples times the period.');
    if (health.recording) warnings.push('The recording was still going on.');
    $('warnings').textContent = warnings.join(' ');
    $('warnings').hidden = warnings.length === 0;
  }

  // ---- Flame graph -------------------------------------------------------------------------------

  // A tree from columns: every node stands behind its caller, callees from the heaviest on.
  function makeTree(columns, isOff) {
    const n = columns.parent.length;
    const tree = { n, isOff, columns, depth: new Uint16Array(n), start: new Float64Array(n), callees: [], deepest: 0 };
    const next = new Float64Array(n);
    for (let i = 0; i < n; i++) tree.callees.push(null);
    for (let i = 1; i < n; i++) {
      const parent = columns.parent[i];
      tree.depth[i] = tree.depth[parent] + 1;
      tree.deepest = Math.max(tree.deepest, tree.depth[i]);
      tree.start[i] = next[parent];
      next[parent] += columns.ns[i];
      next[i] = tree.start[i];
      (tree.callees[parent] ||= []).push(i);
    }
    return tree;
  }
  const trees = { on: makeTree(data.on, false), off: makeTree(data.off, true) };
  const views = { on: { root: 0, chosen: 0 }, off: { root: 0, chosen: 0 } };
  const canvas = $('graph');
  const context = canvas.getContext('2d');
  const ROW = 20;
  const GAP = 1;
  const LEAST = 0.6; // CSS pixels that are worth drawing
  let rectangles = [];
  let pattern = null;
  let isPrinting = false;

  const nameOf = (tree, node) => node === 0 ? 'all' : data.names[tree.columns.function[node]];
  const shownName = (id) => data.names[id] + (data.kinds[id] === INLINED ? ' (inlined)' : '');
  const functionOf = (tree, node) => node === 0 ? null : tree.columns.function[node];
  function hash(text) {
    let value = 2166136261;
    for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 16777619);
    return value >>> 0;
  }
  const colors = new Map();
  function colorOf(tree, node, dark) {
    if (node === 0) return dark ? '#39414d' : '#d5dae1';
    if (tree.isOff) return REASON_COLORS[tree.columns.reason[node]];
    const key = functionOf(tree, node) * 2 + (dark ? 1 : 0);
    let color = colors.get(key);
    if (!color) {
      const kind = KINDS[data.kinds[functionOf(tree, node)]];
      const noise = hash(nameOf(tree, node));
      const hue = kind.hue + (noise % 17) - 8;
      const light = kind.light + ((noise >>> 8) % 9) - 4 - (dark ? 10 : 0);
      color = `hsl(${hue} ${kind.saturation}% ${light}%)`;
      colors.set(key, color);
    }
    return color;
  }
  const matches = (tree, node) => node !== 0 && pattern !== null && pattern[functionOf(tree, node)];

  // Widths: below the zoomed node each callee has its share; its callers have all of it.
  function layout(tree, view, width) {
    const boxes = [];
    const { parent, ns } = tree.columns;
    const rootNs = Math.max(ns[view.root], 1);
    const path = [];
    for (let node = view.root; node !== 0; node = parent[node]) path.push(parent[node]);
    for (const node of path.reverse()) boxes.push({ node, x: 0, w: width, y: tree.depth[node], caller: true });
    const waiting = [view.root];
    while (waiting.length > 0) {
      const node = waiting.pop();
      const x = (tree.start[node] - tree.start[view.root]) / rootNs * width;
      const w = ns[node] / rootNs * width;
      if (w < LEAST) continue;
      boxes.push({ node, x, w, y: tree.depth[node], caller: false });
      const callees = tree.callees[node];
      if (callees) for (const callee of callees) waiting.push(callee);
    }
    return boxes;
  }

  // As much of the text as fits, found by halving.
  function clipText(text, room) {
    if (context.measureText(text).width <= room) return text;
    let low = 0;
    let high = text.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (context.measureText(text.slice(0, middle) + '\u2026').width <= room) low = middle;
      else high = middle - 1;
    }
    return low > 1 ? text.slice(0, low) + '\u2026' : '';
  }

  function draw() {
    if ($('flame').hidden && !isPrinting) return;
    const tree = trees[mode];
    const view = views[mode];
    const dark = !isPrinting && matchMedia('(prefers-color-scheme: dark)').matches;
    const width = Math.max(canvas.parentElement.clientWidth - 16, 200);
    rectangles = layout(tree, view, width);
    const rows = rectangles.reduce((most, box) => Math.max(most, box.y + 1), 1);
    const height = rows * ROW;
    const scale = Math.min(window.devicePixelRatio || 1, 16000 / height);
    canvas.style.height = height + 'px';
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = '12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';
    context.textBaseline = 'middle';
    for (const box of rectangles) drawBox(tree, view, box, dark);
    $('reset').disabled = view.root === 0;
  }

  function drawBox(tree, view, box, dark) {
    const isMatch = matches(tree, box.node);
    const y = box.y * ROW;
    const w = Math.max(box.w - (box.w > 3 ? GAP : 0), 0.5);
    context.globalAlpha = box.caller || (pattern !== null && !isMatch && box.node !== 0) ? 0.38 : 1;
    context.fillStyle = isMatch ? '#b197fc' : colorOf(tree, box.node, dark);
    context.fillRect(box.x, y, w, ROW - GAP);
    context.globalAlpha = 1;
    if (box.node === view.chosen && (view.chosen !== 0 || document.activeElement === canvas)) {
      context.strokeStyle = dark ? '#ffffff' : '#000000';
      context.lineWidth = 1.5;
      context.strokeRect(box.x + 0.75, y + 0.75, Math.max(w - 1.5, 1), ROW - GAP - 1.5);
    }
    if (w < 26) return;
    const text = clipText(box.node === 0 ? wholeText(tree) : nameOf(tree, box.node), w - 10);
    const isFaint = context.globalAlpha < 1 || box.caller || (pattern !== null && !isMatch);
    context.fillStyle = dark && (isFaint || box.node === 0) ? '#e6e9ef' : '#1b1208';
    context.fillText(text, box.x + 5, y + ROW / 2);
  }

  function wholeText(tree) {
    const whole = tree.columns.ns[0];
    return tree.isOff ? `all waits \u2013 ${duration(whole)}` : `all threads \u2013 ${duration(whole)} on a CPU`;
  }

  function boxAt(event) {
    const area = canvas.getBoundingClientRect();
    const x = event.clientX - area.left;
    const y = Math.floor((event.clientY - area.top) / ROW);
    return rectangles.find((box) => box.y === y && x >= box.x && x < box.x + Math.max(box.w, 1)) || null;
  }

  function detailRows(tree, node) {
    const columns = tree.columns;
    const rootNs = columns.ns[0];
    const viewNs = columns.ns[views[mode].root];
    const rows = [[tree.isOff ? 'Waiting' : 'On CPU', `${duration(columns.ns[node])} \u00b7 ${percent(columns.ns[node], rootNs)}`]];
    if (views[mode].root !== 0) rows.push(['Of the zoomed', percent(columns.ns[node], viewNs)]);
    rows.push(['In itself', tree.isOff ? duration(columns.self[node]) : plural(columns.self[node], 'sample', 'samples')]);
    rows.push([tree.isOff ? 'Waits' : 'Samples', count(columns.n[node])]);
    if (columns.cut[node] > 0) rows.push(['Not shown', plural(columns.cut[node], 'callee', 'callees')]);
    return rows;
  }

  function showTip(box, event) {
    const tip = $('tip');
    if (!box) {
      tip.hidden = true;
      return;
    }
    const tree = trees[mode];
    const id = functionOf(tree, box.node);
    tip.replaceChildren(make('div', box.node === 0 ? wholeText(tree) : nameOf(tree, box.node), 'name'));
    if (id !== null) tip.append(make('div', `${data.binaries[id]} \u00b7 ${KINDS[data.kinds[id]].name}`, 'where'));
    const table = make('table');
    for (const [key, value] of detailRows(tree, box.node)) {
      const row = table.insertRow();
      row.append(make('td', key), make('td', value));
    }
    if (tree.isOff) {
      const reasons = tree.columns.reasons[box.node];
      for (let i = 0; i < reasons.length; i += 2) {
        const row = table.insertRow();
        const key = make('td');
        key.append(dot(REASON_COLORS[reasons[i]]), REASONS[reasons[i]]);
        row.append(key, make('td', duration(reasons[i + 1])));
      }
    }
    tip.append(table);
    tip.hidden = false;
    const area = tip.getBoundingClientRect();
    const left = event.clientX + 16 + area.width > innerWidth ? event.clientX - area.width - 12 : event.clientX + 16;
    const top = event.clientY + 18 + area.height > innerHeight ? event.clientY - area.height - 12 : event.clientY + 18;
    tip.style.left = Math.max(left, 6) + 'px';
    tip.style.top = Math.max(top, 6) + 'px';
  }

  function choose(node) {
    const tree = trees[mode];
    views[mode].chosen = node;
    $('chosen').replaceChildren();
    if (node !== 0) {
      $('chosen').append(make('b', nameOf(tree, node)), ' \u2013 ' + detailRows(tree, node).map(([key, value]) => `${key}: ${value}`).join(', '));
    }
    draw();
  }
  function zoom(node) {
    views[mode].root = node;
    $('tip').hidden = true;
    choose(node);
    showFound();
  }

  function move(key) {
    const tree = trees[mode];
    const node = views[mode].chosen;
    const callees = tree.callees[node];
    const siblings = node === 0 ? [0] : tree.callees[tree.columns.parent[node]];
    const place = siblings.indexOf(node);
    if (key === 'ArrowDown' && callees) choose(callees[0]);
    if (key === 'ArrowUp' && node !== 0) {
      const parent = tree.columns.parent[node];
      if (tree.depth[parent] < tree.depth[views[mode].root]) zoom(parent);
      else choose(parent);
    }
    if (key === 'ArrowRight' && place + 1 < siblings.length) choose(siblings[place + 1]);
    if (key === 'ArrowLeft' && place > 0) choose(siblings[place - 1]);
  }

  // ---- Search ------------------------------------------------------------------------------------

  function showFound() {
    const found = $('found');
    found.replaceChildren();
    if (pattern === null) return;
    const tree = trees[mode];
    const root = views[mode].root;
    let ns = 0;
    let functions = new Set();
    const waiting = [root];
    while (waiting.length > 0) { // below a match nothing counts twice
      const node = waiting.pop();
      if (matches(tree, node)) {
        ns += tree.columns.ns[node];
        continue;
      }
      for (const callee of tree.callees[node] || []) waiting.push(callee);
    }
    for (let i = 1; i < tree.n; i++) if (matches(tree, i)) functions.add(functionOf(tree, i));
    found.append(make('b', percent(ns, tree.columns.ns[root])), ` \u00b7 ${duration(ns)} in ${plural(functions.size, 'function', 'functions')}`);
  }
  function search(text) {
    const wanted = text.toLowerCase();
    pattern = wanted === '' ? null : data.names.map((name) => name.toLowerCase().includes(wanted));
    draw();
    showFound();
  }

  function legend() {
    const box = $('legend');
    box.replaceChildren();
    const tree = trees[mode];
    const entry = (color, name) => {
      const item = make('span');
      item.append(dot(color), name);
      box.append(item);
    };
    if (mode === 'off') {
      data.totals.off.forEach((ns, reason) => { if (ns > 0) entry(REASON_COLORS[reason], REASONS[reason]); });
      return;
    }
    const seen = new Set();
    for (let i = 1; i < tree.n; i++) seen.add(data.kinds[functionOf(tree, i)]);
    KINDS.forEach((kind, i) => { if (seen.has(i)) entry(`hsl(${kind.hue} ${kind.saturation}% ${kind.light}%)`, kind.name); });
  }

  function flameCut() {
    const shown = trees[mode].n - 1;
    const all = data[mode].total - 1;
    const notes = [];
    if (all <= 0) notes.push(mode === 'on' ? 'No sample has a stack.' : 'No thread was seen to wait.');
    if (shown < all) notes.push(`${count(shown)} of ${count(all)} places are in this page: those with the most time. Smaller ones are part of their callers' widths.`);
    if (mode === 'on' && data.health.unsampled_ns > 0) notes.push(`${duration(data.health.unsampled_ns)} of threads that ran, but were never sampled, have no place here.`);
    $('flame-cut').textContent = notes.join(' ');
  }

  // ---- Tables ------------------------------------------------------------------------------------

  // columns: { title, value(row), text(row), cell(td, row), className, isText }
  function sortable(table, columns, rows, state, limit) {
    const column = columns[state.column];
    const sign = state.ascending ? 1 : -1;
    const sorted = rows.slice().sort((a, b) => {
      const x = column.value(a);
      const y = column.value(b);
      return sign * (column.isText ? String(x).localeCompare(String(y)) : x - y);
    });
    const headRow = make('tr');
    columns.forEach((each, i) => {
      const cell = make('th', null, each.className || (each.isText ? '' : 'number'));
      cell.scope = 'col';
      const button = make('button', each.color ? null : each.title);
      if (each.color) button.append(dot(each.color), ' ' + each.title);
      button.type = 'button';
      button.addEventListener('click', () => {
        state.ascending = state.column === i ? !state.ascending : !!each.isText;
        state.column = i;
        sortable(table, columns, rows, state, limit);
        table.querySelectorAll('th button')[i].focus();
      });
      if (i === state.column) cell.setAttribute('aria-sort', state.ascending ? 'ascending' : 'descending');
      cell.append(button);
      headRow.append(cell);
    });
    const body = make('tbody');
    for (const row of sorted.slice(0, limit)) {
      const line = make('tr');
      for (const each of columns) {
        const cell = make('td', null, each.className || (each.isText ? '' : 'number'));
        if (each.cell) each.cell(cell, row);
        else cell.textContent = each.text ? each.text(row) : each.value(row);
        if (!each.isText && each.value(row) === 0) cell.classList.add('zero');
        line.append(cell);
      }
      body.append(line);
    }
    const head = make('thead');
    head.append(headRow);
    table.replaceChildren(head, body);
  }

  const time = (title, value) => ({ title, value, text: (row) => milliseconds(value(row)) });
  function share(title, value, whole) {
    return {
      title,
      value,
      className: 'number share',
      cell: (cell, row) => {
        const bar = make('i');
        bar.style.width = whole > 0 ? `calc((100% - 12px) * ${Math.min(value(row) / whole, 1)})` : '0';
        cell.append(bar, make('span', percent(value(row), whole)));
      },
    };
  }

  const functionState = { on: { column: 1, ascending: false }, off: { column: 1, ascending: false } };
  const LINES = 500;
  function functions() {
    const wanted = $('filter').value.toLowerCase();
    const list = data.functions[mode];
    const whole = mode === 'on' ? data.totals.on : offTotal;
    const rows = [];
    for (let i = 0; i < list.function.length; i++) {
      if (wanted === '' || data.names[list.function[i]].toLowerCase().includes(wanted)) rows.push(i);
    }
    const columns = [
      share('Self %', (i) => list.self_ns[i], whole),
      time('Self ms', (i) => list.self_ns[i]),
      share('Total %', (i) => list.total_ns[i], whole),
      time('Total ms', (i) => list.total_ns[i]),
      { title: mode === 'on' ? 'Samples' : 'Waits', value: (i) => list.n[i], text: (i) => count(list.n[i]) },
      { title: 'Function', isText: true, className: 'name', value: (i) => data.names[list.function[i]], text: (i) => shownName(list.function[i]) },
      { title: 'Binary', isText: true, className: 'where', value: (i) => data.binaries[list.function[i]] },
    ];
    sortable($('functions-table'), columns, rows, functionState[mode], LINES);
    $('filtered').textContent = wanted === '' ? '' : plural(rows.length, 'function', 'functions');
    const cut = [];
    if (rows.length > LINES) cut.push(`The first ${count(LINES)} of ${count(rows.length)} are listed: the filter finds the others.`);
    if (list.function.length < list.total) cut.push(`${count(list.function.length)} of ${count(list.total)} functions are in this page: those with the most time.`);
    $('functions-cut').textContent = cut.join(' ');
  }

  function threadBar(cell, thread) {
    const whole = Math.max(thread.on + thread.runnable + thread.off.reduce((sum, ns) => sum + ns, 0), 1);
    const bar = make('div', null, 'stack');
    bar.setAttribute('aria-hidden', 'true');
    const part = (ns, color, name) => {
      if (ns / whole < 0.002) return;
      const piece = make('i');
      piece.style.width = 100 * ns / whole + '%';
      piece.style.background = color;
      piece.title = `${name}: ${duration(ns)}`;
      bar.append(piece);
    };
    part(thread.on, ON_COLOR, 'on a CPU');
    part(thread.runnable, RUNNABLE_COLOR, 'runnable');
    thread.off.forEach((ns, reason) => part(ns, REASON_COLORS[reason], REASONS[reason]));
    cell.append(bar);
  }
  const threadState = { column: 3, ascending: false };
  function threads() {
    const columns = [
      { title: 'Thread', isText: true, className: 'name', value: (thread) => thread.name },
      { title: 'tid', value: (thread) => thread.tid },
      { title: 'Life', className: 'life', value: (thread) => thread.on, cell: threadBar },
      { ...time('On CPU ms', (thread) => thread.on), color: ON_COLOR },
      { title: 'Samples', value: (thread) => thread.samples, text: (thread) => count(thread.samples) },
      { ...time('runnable', (thread) => thread.runnable), color: RUNNABLE_COLOR },
      ...REASONS.map((name, reason) => ({ ...time(name, (thread) => thread.off[reason]), color: REASON_COLORS[reason] })),
    ];
    sortable($('threads-table'), columns, data.threads.list, threadState, 1000);
    const shown = data.threads.list.length;
    $('threads-cut').textContent = (shown < data.threads.total
      ? `${count(shown)} of ${count(data.threads.total)} threads are in this page: those with the most time on a CPU. ` : '') +
      'Times are milliseconds: on a CPU, ready to run without one, and waiting by reason.';
  }

  function about() {
    const health = data.health;
    const rows = [
      ['Samples', count(health.samples)],
      ['Samples lost', count(health.lost_samples)],
      ['Records lost', count(health.lost_records)],
      ['Times that the kernel suspended sampling', count(health.throttled)],
      ['Samples without all of their callers', `${count(health.truncated)} (${percent(health.truncated, health.samples)})`],
      ['Samples in functions without a name', `${count(health.unresolved)} (${percent(health.unresolved, health.samples)})`],
      ['Times on a CPU', health.estimated ? 'estimated: samples \u00d7 period' : 'exact, from context switches'],
      ['Time on a CPU of threads without any sample', duration(health.unsampled_ns)],
      ['Waiting with the stack of a similar wait', `${duration(health.approximate_ns)} (${percent(health.approximate_ns, offTotal)})`],
      ['Made by', data.run.tool],
    ];
    for (const [key, value] of rows) {
      const line = $('about-table').insertRow();
      const cell = make('th', key);
      cell.scope = 'row';
      line.append(cell, make('td', value));
    }
  }

  // ---- Switches ----------------------------------------------------------------------------------

  const TABS = ['flame', 'functions', 'threads', 'about'];
  function openTab(name) {
    for (const each of TABS) {
      const isOpen = each === name;
      $(each).hidden = !isOpen;
      $('tab-' + each).setAttribute('aria-selected', isOpen);
      $('tab-' + each).tabIndex = isOpen ? 0 : -1;
    }
    $('tip').hidden = true;
    draw();
  }
  function setMode(name) {
    mode = name;
    for (const each of ['on', 'off']) {
      $('mode-' + each).setAttribute('aria-checked', each === name);
      $('mode-' + each).tabIndex = each === name ? 0 : -1;
    }
    legend();
    flameCut();
    functions();
    choose(views[mode].chosen);
    showFound();
  }

  // Arrow keys move between the buttons of a group, as readers of the screen expect.
  function arrows(ids, act) {
    ids.forEach((id, i) => $(id).addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const to = ids[(i + step + ids.length) % ids.length];
      act(to);
      $(to).focus();
      event.preventDefault();
    }));
    ids.forEach((id) => $(id).addEventListener('click', () => act(id)));
  }

  arrows(TABS.map((name) => 'tab-' + name), (id) => openTab(id.slice(4)));
  arrows(['mode-on', 'mode-off'], (id) => setMode(id.slice(5)));
  $('search').addEventListener('input', (event) => search(event.target.value));
  $('filter').addEventListener('input', functions);
  $('reset').addEventListener('click', () => zoom(0));
  canvas.addEventListener('click', (event) => {
    const box = boxAt(event);
    if (box) zoom(box.node);
  });
  canvas.addEventListener('mousemove', (event) => {
    const box = boxAt(event);
    canvas.style.cursor = box ? 'pointer' : 'default';
    showTip(box, event);
  });
  canvas.addEventListener('mouseleave', () => showTip(null));
  canvas.addEventListener('focus', draw);
  canvas.addEventListener('blur', draw);
  canvas.addEventListener('keydown', (event) => {
    if (event.key.startsWith('Arrow')) move(event.key);
    else if (event.key === 'Enter') zoom(views[mode].chosen);
    else if (event.key === 'Escape') zoom(0);
    else return;
    event.preventDefault();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && !(event.target instanceof HTMLInputElement) && !$('flame').hidden) {
      $('search').focus();
      event.preventDefault();
    }
  });
  window.addEventListener('resize', draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  window.addEventListener('beforeprint', () => { isPrinting = true; draw(); });
  window.addEventListener('afterprint', () => { isPrinting = false; draw(); });

  head();
  threads();
  about();
  const start = new URLSearchParams(location.hash.slice(1));
  setMode(start.get('mode') === 'off' || (data.totals.on === 0 && offTotal > 0) ? 'off' : 'on');
  if (TABS.includes(start.get('view'))) openTab(start.get('view'));
  if (start.has('search')) {
    $('search').value = start.get('search');
    search(start.get('search'));
  }
  document.documentElement.dataset.ready = 'true';
})();
