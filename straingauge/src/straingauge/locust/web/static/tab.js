// Puts the page into its tab of Locust's page. Locust itself gives a tab no more than a table.
const { extended_tabs: tabs = [] } = window.templateArgs ?? {};
const title = tabs.find(({ key }) => key === 'straingauge')?.title;
let frame = null;

function open() {
  frame = document.createElement('iframe');
  frame.src = './straingauge/';
  frame.title = title;
  Object.assign(frame.style, { border: '0', display: 'block', width: '100%', height: '80vh' });
  frame.addEventListener('load', () => {
    const { documentElement, body } = frame.contentDocument;
    // As high as what it shows: one page, one scroll bar.
    new ResizeObserver(() => { frame.style.height = `${body.offsetHeight}px`; }).observe(body);
    documentElement.style.overflow = 'hidden';
  });
  (document.querySelector('main') ?? document.body).append(frame);
}

function follow() {
  const chosen = document.querySelector('[role="tab"][aria-selected="true"]');
  const ours = chosen?.textContent === title;
  if (ours && !frame) open();
  else if (!ours && frame) { frame.remove(); frame = null; }
}

new MutationObserver(follow).observe(document.body, {
  attributes: true, attributeFilter: ['aria-selected'], childList: true, subtree: true,
});
follow();
