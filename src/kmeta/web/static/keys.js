// The keys of a page. Each is printed on a control ([data-key]), a place ([data-go], after g) or a row ([data-step]).
const typing = el => el.closest('input:not([type=radio], [type=checkbox]), textarea, select');
const list = document.getElementById('keys');
const letters = document.getElementById('letters');
const stored = () => { try { return localStorage.getItem('kmeta-keys'); } catch { return null; } };

letters.checked = stored() !== 'off';
letters.closest('.js').hidden = false;
letters.addEventListener('change', () => {
  try { localStorage.setItem('kmeta-keys', letters.checked ? 'on' : 'off'); } catch { /* private window */ }
});

let going = 0;

function step(by) {
  const rows = [...document.querySelectorAll('[data-step]')];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement.closest('[data-step]'));
  const row = rows[Math.min(Math.max(at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by, 0), rows.length - 1)];
  row.focus();
  row.scrollIntoView({ block: 'nearest' });
}

function search() {
  const field = document.getElementById('q');
  if (field) { field.focus(); field.select(); } else location.href = '/records#q';
}

// Arrows go to the nearest box of the flow in their direction.
function across(key) {
  const from = document.activeElement.closest('a.box');
  if (!from) return false;
  const centre = el => { const r = el.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; };
  const [x, y] = centre(from);
  const along = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[key];
  const near = [...document.querySelectorAll('a.box')].map(el => {
    const [dx, dy] = [centre(el)[0] - x, centre(el)[1] - y];
    const ahead = dx * along[0] + dy * along[1];
    return { el, ahead, cost: ahead + 3 * Math.abs(dx * along[1] + dy * along[0]) };
  }).filter(b => b.el !== from && b.ahead > 8).sort((a, b) => a.cost - b.cost)[0];
  if (near) near.el.focus();
  return Boolean(near);
}

document.addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target)) return;
  if (e.key.startsWith('Arrow')) { if (across(e.key)) e.preventDefault(); return; }
  if (!letters.checked) return;
  if (e.key === '?') { list.togglePopover(); return; }
  if (list.matches(':popover-open')) return;
  const gone = Date.now() - going < 1500;
  going = 0;
  const place = gone && document.querySelector(`[data-go="${CSS.escape(e.key)}"]`);
  if (place) { e.preventDefault(); place.click(); return; }
  if (e.key === 'g') { going = Date.now(); return; }
  if (e.key === '/') { e.preventDefault(); search(); return; }
  if (e.key === 'j' || e.key === 'k') { step(e.key === 'j' ? 1 : -1); return; }
  const within = document.activeElement.closest('[data-step]');
  const control = (within && within.querySelector(`[data-key="${CSS.escape(e.key)}"]`))
    || document.querySelector(`[data-key="${CSS.escape(e.key)}"]`);
  if (control) { e.preventDefault(); control.focus(); control.click(); }
});

if (location.hash === '#q') search();
