// npm run rooms [-- --write]
//
// The rooms of the source code: the question that each answers, and what it may import. Prints the table of what those of
// interceptors/ do import, types counted; with --write it puts that into ARCHITECTURE.md. test/rfc9111/imports.test.ts holds the code to this
// table, and ARCHITECTURE.md to the code.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { importsOf, sourceFiles } from './source-imports.ts'

export interface Room {
  /** Begins the paths of its files. Of several, the longest that fits a file is that of its room. */
  readonly path: string
  readonly question: string
  /** The paths, or starts of paths, that its files may import, beside those of the room itself. */
  readonly values: readonly string[]
  /** What its files may import types from, beside that. */
  readonly types?: readonly string[]
  /** Whether its files may import packages and modules of Node. */
  readonly packages: boolean
}

/** Files of `lib/` that stand below everything but the engine. */
const ERRORS = 'lib/errors.ts'
const EVENT_LOOP = 'lib/event-loop.ts'
const FAULT_WARNING = 'lib/fault-warning.ts'
const FOREIGN_VALUES = 'lib/foreign-values.ts'
const OPTION_CHECKS = 'lib/option-checks.ts'
const TIME_SLICES = 'lib/time-slices.ts'
const SHARED = [ERRORS, EVENT_LOOP, FAULT_WARNING, FOREIGN_VALUES, OPTION_CHECKS, TIME_SLICES]
const ENGINE = 'lib/rfc9111/'
/** What all rooms of `interceptors/` stand on. */
const GROUND = [ENGINE, ...SHARED, 'stores/']

const inInterceptors = (...names: string[]) => names.map(name => `interceptors/${name}/`)
const BASE = inInterceptors('store-access', 'undici', 'outcome')

/** From the top to the bottom: what a room imports stands further down. */
export const ROOMS: readonly Room[] = [
  {
    path: 'lib/',
    question: 'What does the package export?',
    values: ['interceptors/', 'stores/', 'serializers/', ENGINE, ...SHARED],
    packages: true
  },
  {
    path: 'interceptors/',
    question: 'What does the cache do with a request? `http-cache.ts` has the flow, and puts the parts together',
    values: [...inInterceptors('origin', 'single-flight', 'replay', 'request'), ...BASE, ...GROUND],
    types: ['serializers/'],
    packages: true
  },
  {
    path: 'interceptors/origin/',
    question: 'How is one response of the origin decided on, shared among readers, and stored?',
    values: [...inInterceptors('single-flight', 'replay', 'request'), ...BASE, ...GROUND],
    packages: true
  },
  {
    path: 'interceptors/single-flight/',
    question: 'Who sends a request, and who waits for it, here and across processes?',
    values: [...inInterceptors('request'), ...BASE, ...GROUND],
    packages: true
  },
  {
    path: 'interceptors/replay/',
    question: 'How is a stored response played into a handler?',
    values: [...inInterceptors('request'), ...BASE, ...GROUND],
    packages: true
  },
  {
    path: 'interceptors/request/',
    question: 'What is one request, as the cache sees it?',
    values: [...BASE, ...GROUND],
    packages: true
  },
  {
    path: 'interceptors/store-access/',
    question: 'How is a store kept from doing harm? Deadline, circuit breaker, checks',
    values: GROUND,
    packages: true
  },
  {
    path: 'interceptors/undici/',
    question: "What do undici's handlers and options look like? The only room that knows",
    values: [...inInterceptors('outcome'), ENGINE, ...SHARED],
    packages: true
  },
  {
    path: 'interceptors/outcome/',
    question: 'What did the cache do, and why, in words?',
    values: [ENGINE],
    packages: true
  },
  // undici's contract for stores asks for verdicts, so its adapter judges.
  {
    path: 'stores/undici',
    question: "How does a store fulfil the contract of undici's cache, and the other way round?",
    values: ['stores/', 'serializers/', ENGINE, ...SHARED],
    packages: true
  },
  {
    path: 'stores/',
    question: 'Where are responses kept?',
    values: [
      ...['serializers/', ERRORS, EVENT_LOOP, FOREIGN_VALUES, OPTION_CHECKS, 'lib/rfc9111/segments.ts'],
      ...['lib/rfc9111/precedence.ts', 'lib/rfc9111/origin.ts']
    ],
    types: [ENGINE],
    packages: true
  },
  {
    path: 'serializers/',
    question: 'As what are responses kept?',
    values: [ERRORS],
    types: [ENGINE],
    packages: true
  },
  { path: OPTION_CHECKS, question: 'Is an option valid?', values: [ERRORS, 'lib/rfc9111/origin.ts'], packages: false },
  { path: FAULT_WARNING, question: 'How is a fault of a store told?', values: [FOREIGN_VALUES], packages: true },
  { path: TIME_SLICES, question: 'When do many timers run?', values: [EVENT_LOOP], packages: false },
  { path: FOREIGN_VALUES, question: 'What is a value of another realm?', values: [], packages: false },
  { path: EVENT_LOOP, question: 'What time is it, and when is the next turn?', values: [], packages: true },
  { path: ERRORS, question: 'Which errors are there, and with which codes?', values: [], packages: false },
  {
    path: 'lib/rfc9111/',
    question: 'What does RFC 9111 say about this request, and about this response?',
    values: [],
    packages: false
  }
]

const byLength = ROOMS.toSorted((a, b) => b.path.length - a.path.length)

/** The room of a file of the sources. */
export function roomOf(file: string): Room {
  const room = byLength.find(({ path }) => file.startsWith(path))
  if (room === undefined) throw new Error(`no room is about ${file}`)
  return room
}

/** A Markdown table of the rooms of `interceptors/`, and of what the files of each import, types counted. */
export function roomTable(): string {
  const imported = new Map<string, Set<string>>(ROOMS.map(room => [nameOf(room), new Set()]))
  for (const { file, text } of sourceFiles()) {
    const targets = imported.get(nameOf(roomOf(file)))
    for (const { target } of importsOf(file, text)) if (target !== undefined) targets?.add(nameOf(roomOf(target)))
  }
  const names = [...new Set(ROOMS.toReversed().map(nameOf))].reverse() // each at its lowest
  const rows = ROOMS.filter(({ path }) => path.startsWith('interceptors/')).map(room => {
    const name = nameOf(room)
    const others = names.filter(other => other !== name && imported.get(name)?.has(other))
    return `| ${name} | ${room.question} | ${others.join(', ')} |`
  })
  return ['| Room | Its question | Imports |', '|---|---|---|', ...rows].join('\n')
}

/** The name of a room in the table: outside `interceptors/`, that of its folder. */
function nameOf({ path }: Room): string {
  if (path === 'interceptors/') return 'root'
  return `\`${/^(?:interceptors\/)?[^/]+/.exec(path)?.[0].replace('interceptors/', '')}/\``
}

const document = join(dirname(import.meta.dirname), 'ARCHITECTURE.md')
const PLACE = /(<!-- rooms -->\n)[\s\S]*?(\n<!-- \/rooms -->)/

/** The table that ARCHITECTURE.md has, between its markers. */
export function writtenRoomTable(): string | undefined {
  const [whole, start = '', end = ''] = PLACE.exec(readFileSync(document, 'utf8')) ?? []
  return whole?.slice(start.length, -end.length)
}

if (process.argv[1] === import.meta.filename) {
  const table = roomTable()
  if (process.argv.includes('--write')) {
    const text = readFileSync(document, 'utf8')
    writeFileSync(
      document,
      text.replace(PLACE, (_, start, end) => `${start}${table}${end}`)
    )
  } else {
    console.log(table)
  }
}
