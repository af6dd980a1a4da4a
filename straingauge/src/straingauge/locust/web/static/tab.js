// Puts straingauge's page into its tab of Locust's web UI. Locust itself can only show a table there.
const { extended_tabs: tabs = [] } = window.templateArgs ?? {};
const title = tabs.find(({ key }) => key === 'straingauge')?.title;
let frame = null;

function openFrame() {
  frame = document.createElement('iframe');
  frame.src = './straingauge/';
  frame.title = title;
  Object.assign(frame.style, { border: '0', display: 'block', width: '100%', height: '80vh' });
  frame.addEventListener('load', () => {
    const { documentElement, body } = frame.contentDocument;
    // As high as its content, so that the page has a single scroll bar.
    new ResizeObserver(() => { frame.style.height = `${body.offsetHeight}px`; }).observe(body);
    documentElement.style.overflow = 'hidden';
  });
  (document.querySelector('main') ?? document.body).append(frame);
}

function update() {
  const selected = document.querySelector('[role="tab"][aria-selected="true"]');
  const isOpen = selected?.textContent === title;
  if (isOpen && !frame) openFrame();
  else if (!isOpen && frame) { frame.remove(); frame = null; }
}

new MutationObserver(update).observe(document.body, {
  attributes: true, attributeFilter: ['aria-selected'], childList: true, subtree: true,
});
update();
