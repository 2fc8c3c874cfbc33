/* Lists what is wrong with the layout of this page on a screen of so many CSS pixels. A browser on a phone zooms out where a page is too wide, so window.innerWidth cannot be asked. */
(width) => {
  const smallest = 12; // of letters
  const tappable = 24; // WCAG 2.2, success criterion 2.5.8
  const wrong = [];
  const name = (node) => `${node.tagName.toLowerCase()}${node.id ? `#${node.id}` : ''}${[...node.classList].map((c) => `.${c}`).join('')}`;
  const scrolls = (node) => node !== null && node !== document.body && (/^(pre|textarea)$/i.test(node.tagName) || (/auto|scroll|hidden/.test(getComputedStyle(node).overflowX) && node.scrollWidth <= node.clientWidth + 1) || scrolls(node.parentElement));
  const visible = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && node.getClientRects().length > 0;
  if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} px wide, its screen ${width}`);
  for (const node of document.body.querySelectorAll('*')) {
    if (!visible(node)) continue;
    const box = node.getBoundingClientRect();
    if (box.right > width + 1 && !scrolls(node.parentElement)) wrong.push(`${name(node)} reaches to ${Math.round(box.right)} px`);
    const text = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.textContent.trim() !== '');
    const size = parseFloat(getComputedStyle(node).fontSize);
    if (text && size < smallest) wrong.push(`${name(node)} has letters of ${size} px`);
    const inSentence = node.tagName === 'A' && getComputedStyle(node).display === 'inline';
    const labelled = node.closest('label')?.getBoundingClientRect() ?? box; // tapping the label does the same
    if (node.matches('a[href], button, input, select, textarea, summary, [role="tab"]') && !inSentence && Math.min(Math.max(box.width, labelled.width), Math.max(box.height, labelled.height)) < tappable) {
      wrong.push(`${name(node)} is ${Math.round(box.width)} by ${Math.round(box.height)} px to tap`);
    }
  }
  return [...new Set(wrong)].slice(0, 20);
}
