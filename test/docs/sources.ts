// What the documentation has to agree with, read from the sources.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { root, sourceText } from './documents.ts'

/** The files of the package, by path from the root. */
export function packageFiles(): readonly string[] {
  return ['lib', 'interceptors', 'stores', 'serializers'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts'))
      .map(file => `${folder}/${file.replaceAll('\\', '/')}`)
      .sort()
  )
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
