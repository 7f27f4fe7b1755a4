// Decoration: drawn inline, so that a page asks nobody for a picture. Hidden from screen readers.
import { type Html, html } from './html.ts'

const drawings = {
  key: html`<circle cx="8" cy="15" r="4"/><path d="M10.8 12.2 20 3m-4 4 3 3"/>`,
  closed: html`<rect x="5" y="11" width="14" height="9" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>`,
  done: html`<path d="m5 12.5 4.5 4.5L19 7.5"/>`,
  leave: html`<path d="M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4m5-4 4-4-4-4m4 4H10"/>`,
  trouble: html`<path d="M12 4 2.8 19.5h18.4zM12 10v4m0 2.8v.2"/>`,
} as const

export type Icon = keyof typeof drawings

export const icon = (name: Icon): Html =>
  html`<div class="${name === 'trouble' ? 'icon warn' : 'icon'}" aria-hidden="true"><svg width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${drawings[name]}</svg></div>`
