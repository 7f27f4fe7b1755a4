export function complaints(): string[]
export function faintTexts(): string[]
export function lightness(): number
export function focused(): { text: string; outline: number } | null
export function selected(): string
