// What a browser makes of a page, read inside it. Each function is sent to the page as source: it may use nothing from here.

/** Ways in which the page is hard to use; empty where it is not. */
export function complaints() {
  const found = []
  const say = (isWrong, text) => void (isWrong && found.push(text))
  const root = document.documentElement
  say(root.scrollWidth > window.innerWidth, `scrolls sideways: ${root.scrollWidth} in ${window.innerWidth}`)
  say(!root.lang, 'no language')
  say(document.title.trim() === '', 'no title')
  say(document.querySelectorAll('h1').length !== 1, 'not one h1')
  say(document.querySelectorAll('main').length !== 1, 'not one main landmark')
  say(document.querySelector('main h1') === null, 'the heading stands outside of main')
  for (const image of document.querySelectorAll('img'))
    say(!image.alt || image.naturalWidth === 0, 'an image without a text, or broken')
  for (const svg of document.querySelectorAll('svg')) say(!svg.closest('[aria-hidden="true"]'), 'a drawing that is read out')
  for (const action of document.querySelectorAll('main a, main button')) {
    const { width, height, left, right } = action.getBoundingClientRect()
    say(width < 44 || height < 44, `too small to hit: ${action.textContent} ${width}x${height}`)
    say(left < 0 || right > window.innerWidth, `outside of the window: ${action.textContent}`)
    say(action.textContent.trim() === '', 'an action without a name')
  }
  return found
}

/** Every text whose contrast with what is behind it is below 4.5 (WCAG 2.2, 1.4.3). */
export function faintTexts() {
  const parse = (color) => (color.match(/[\d.]+/g) ?? []).map(Number)
  const isClear = (color) => color.startsWith('rgba') && parse(color)[3] === 0
  const luminance = (color) => {
    const [r, g, b] = parse(color).map((part) => {
      const share = part / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    if (!element) return 'rgb(255, 255, 255)'
    const { backgroundColor } = getComputedStyle(element)
    return isClear(backgroundColor) ? behind(element.parentElement) : backgroundColor
  }
  const faint = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement
    const text = walker.currentNode.textContent.trim()
    if (text === '') continue
    const [low, high] = [getComputedStyle(element).color, behind(element)].map(luminance).sort((a, b) => a - b)
    const contrast = (high + 0.05) / (low + 0.05)
    if (contrast < 4.5) faint.push(`${text}: ${contrast.toFixed(2)}`)
  }
  return faint
}

/** How light the page is, 0 to 255. */
export function lightness() {
  const parts = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g) ?? []
  return Math.max(...parts.slice(0, 3).map(Number))
}

/** What has the focus: its text and how wide the line around it is; null where nothing has. */
export function focused() {
  const element = document.activeElement
  if (element === null || element === document.body) return null
  const { outlineStyle, outlineWidth } = getComputedStyle(element)
  return { text: element.textContent, outline: outlineStyle === 'none' ? 0 : Number.parseFloat(outlineWidth) }
}

export function selected() {
  return String(getSelection())
}
