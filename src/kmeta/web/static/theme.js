// Remembers the theme; the switch itself is CSS. Loaded right after the switch, so that no page flashes.
(() => {
  const stored = () => { try { return localStorage.getItem('kmeta-theme'); } catch { return null; } };
  const keep = value => { try { localStorage.setItem('kmeta-theme', value); } catch { /* private window */ } };
  const radio = stored() && document.getElementById(`theme-${stored()}`);
  if (radio) radio.checked = true;
  document.querySelector('.theme').addEventListener('change', e => keep(e.target.value));
})();
