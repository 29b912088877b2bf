// What the documentation has to agree with, read from the sources.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import ts from 'typescript'
import manifest from '../../package.json' with { type: 'json' }

export const root = dirname(dirname(import.meta.dirname))

/** The files of the package, by path from the root. */
export function packageFiles(): readonly string[] {
  return ['lib', 'interceptors', 'stores', 'serializers'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts'))
      .map(file => `${folder}/${file.replaceAll('\\', '/')}`)
      .sort()
  )
}

/** Those that are reached from the front door and from the serializers. */
export function shippedFiles(): ReadonlySet<string> {
  const shipped = new Set<string>()
  const follow = (file: string): void => {
    if (shipped.has(file)) return
    shipped.add(file)
    for (const [, specifier = ''] of sourceText(file).matchAll(/ from '(\.[^']+)'/g)) {
      follow(posix.join(posix.dirname(file), specifier))
    }
  }
  follow('lib/index.ts')
  for (const subpath of Object.keys(manifest.exports)) {
    if (subpath.startsWith('./serializers/')) follow(`${subpath.slice('./'.length)}.ts`)
  }
  return shipped
}

export function sourceText(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The names of an interface's members, in order. */
export function interfaceMembers(path: string, name: string): readonly string[] {
  const declaration = parse(path).statements.find(
    statement => ts.isInterfaceDeclaration(statement) && statement.name.text === name
  )
  if (declaration === undefined) throw new Error(`no interface ${name} in ${path}`)
  const names = (declaration as ts.InterfaceDeclaration).members.map(({ name }) => name)
  return names.filter(name => name !== undefined && ts.isIdentifier(name)).map(name => (name as ts.Identifier).text)
}

function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, sourceText(path), ts.ScriptTarget.Latest, true)
}
